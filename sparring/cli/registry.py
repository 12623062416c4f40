"""The table of commands: the name of each, the function behind it as ``module:function``, and one line of help."""

__all__ = ["COMMANDS", "OWN_FLAGS"]

COMMANDS = {
    "list": ("recipes:show", "list the recipes with their system, year, paper and data"),
    "train": ("train:train", "train a recipe on data, into a run folder; the same command resumes"),
    "resume": ("train:resume", "resume a run"),
    "singan": ("singan:train", "train SinGAN on one photograph; the next commands use the run"),
    "singan super-resolve": ("singan:super_resolve", "increase the size of a photograph (super-resolution)"),
    "singan harmonize": ("singan:harmonize", "blend pasted content into the photograph"),
    "singan edit": ("singan:edit", "blend a rough edit of the photograph"),
    "singan paint": ("singan:paint", "turn a drawing into an image like the photograph"),
    "singan evaluate": ("singan:evaluate", "measure similarity to the photograph and diversity of samples"),
    "singan animate": ("singan:animate", "animate the photograph"),
    "sample": ("sample:sample", "generate samples from seeds"),
    "interpolate": ("sample:interpolate", "film an interpolation between seeds, classes, texts or images"),
    "traverse": ("sample:traverse", "show what each latent code, or the class, changes in samples"),
    "directions": ("latent:directions", "show the latent directions that change samples most"),
    "invert": ("latent:invert", "find latents of real images"),
    "encode": ("encode:encode", "write the latents of images to a file"),
    "reconstruct": ("encode:reconstruct", "show images beside their reconstructions"),
    "edit": ("encode:edit", "add an attribute of other images, such as glasses, to images"),
    "paint": ("paint:paint", "generate images from label maps, in the style of photographs or seeds"),
    "translate": ("translate:translate", "translate images of any size to another domain"),
    "train-encoder": ("encode:train_encoder", "train an encoder for the generator of a run"),
    "evaluate": ("evaluate:evaluate", "evaluate a run, with the scores of real data and noise as references"),
    "report": ("evaluate:report", "write loss curves and an HTML report into a run"),
    "compare": ("compare:compare", "compare recipes or settings over several seeds"),
    "auto": ("auto:auto", "train the best generator that a number of hours allows"),
    "check": ("recipes:check", "run a few rounds of a recipe and test every rule of games"),
    "theory": ("theory:theory", "compute results of GAN theory: optimal critics, divergences, gradients, dynamics"),
    "data check": ("data:check", "look for what is wrong with a data set, and propose a size"),
    "data prepare": ("data:prepare", "decode images once, for many trainings"),
    "completion": ("completion:completion", "print or install shell completion"),
    "demo": ("demo:demo", "train on handwritten digits for a minute, sample, evaluate and report"),
}

OWN_FLAGS = ("train", "singan", "train-encoder", "compare", "check")
"""Commands whose flags depend on a recipe: their functions take the words that were typed."""
