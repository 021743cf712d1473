"""What is wrong with a stack, and what would mend it.

`shapes` says why a layer cannot work, `dry_run` finds out beforehand, `fixes` mend it. `readings`
measure layers that work, `exams` place them among the others, `health` judges them, and `cures`
mend what is unhealthy.
"""
