#!/bin/bash
# FAULTS 1 to 3, for a machine that is shut off.
. "$(dirname "$0")/killed_lib.sh"
killed source source.offered source.read source.sealed source.committed source.retired source.ended
