#!/bin/sh
# Removes from installed packages what no step needs.
#
# usage: trim.sh SITE_PACKAGES
set -eu
cd "$1"

# C++ headers, a compiler's library and a web page's server: for those who build or look.
rm -r tensorflow/include clang tensorboard_data_server/bin tensorboard/webfiles.zip

# Tests of the packages themselves. h5py imports its own.
find . -depth -type d -name tests ! -path './h5py/*' -exec rm -r {} +
