/* SPDX-License-Identifier: ISC
 *
 * version - of the whole: posternd and posternctl say the same.
 */
#ifndef POSTERN_COMMON_VERSION_H
#define POSTERN_COMMON_VERSION_H

extern const char postern_version[];

#endif
