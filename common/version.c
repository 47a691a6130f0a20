/* SPDX-License-Identifier: ISC */
#include "common/version.h"

const char postern_version[] = "0.1";
