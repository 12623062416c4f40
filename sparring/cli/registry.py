"""The table of commands: the name of each, the function behind it as ``module:function``, and one line of help."""

__all__ = ["COMMANDS", "OWN_FLAGS"]

COMMANDS = {
    "list": ("recipes:show", "show the recipes: system, year, paper, what it learns from"),
    "train": ("train:train", "train a recipe on data, into a run folder; the same command again resumes"),
    "resume": ("train:resume", "go on with a run"),
    "singan": ("singan:train", "train SinGAN on one photograph; the commands below use what it learned"),
    "singan super-resolve": ("singan:super_resolve", "make a photograph larger"),
    "singan harmonize": ("singan:harmonize", "blend what was pasted into the photograph"),
    "singan edit": ("singan:edit", "make a rough edit of the photograph look real"),
    "singan paint": ("singan:paint", "make a rough drawing look like the photograph"),
    "singan evaluate": ("singan:evaluate", "say how like the photograph samples are, and how varied"),
    "singan animate": ("singan:animate", "film the photograph moving"),
    "sample": ("sample:sample", "draw samples by their seeds"),
    "interpolate": ("sample:interpolate", "film a walk from seed to seed, class to class, or image to image"),
    "traverse": ("sample:traverse", "draw what each code, or the class, changes in samples"),
    "directions": ("latent:directions", "draw what the directions of noise do that change samples most"),
    "invert": ("latent:invert", "find the noise of real images"),
    "encode": ("encode:encode", "write the codes of images to a file"),
    "reconstruct": ("encode:reconstruct", "draw images beside what their codes make of them"),
    "edit": ("encode:edit", "give images what others have, such as glasses"),
    "paint": ("paint:paint", "paint label maps in the style of photographs or of seeds"),
    "translate": ("translate:translate", "carry images of any size to another domain"),
    "train-encoder": ("encode:train_encoder", "fit an encoder to the generator of a finished run"),
    "evaluate": ("evaluate:evaluate", "score a run, beside what real data and noise would score"),
    "report": ("evaluate:report", "write loss curves and a page of HTML into a run"),
    "compare": ("compare:compare", "let recipes or settings compete over seeds, and say who is best"),
    "check": ("recipes:check", "play a few rounds of a recipe and test every rule of play"),
    "theory": ("theory:theory", "compute what theory says of GANs: best critics, divergences, gradients, motion"),
    "data prepare": ("data:prepare", "decode images once, for many trainings"),
    "completion": ("completion:completion", "print or install shell completion"),
    "demo": ("demo:demo", "train on handwritten digits for a minute and show everything"),
}

OWN_FLAGS = ("train", "singan", "train-encoder", "compare", "check")
"""Commands whose flags depend on a recipe: their functions take the words that were typed."""
