"""Control over what is generated: classes, captions, label maps, translation between domains."""
