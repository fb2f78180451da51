/*
 * weights_file.h - opens a file of weights, and says of one that is no safetensors file what it is and what to do.
 *
 * Pickles are never read: unpickling runs the code they hold. Called by model/checkpoint and the layouts.
 */
#ifndef DIFFCUT_MODEL_WEIGHTS_FILE_H
#define DIFFCUT_MODEL_WEIGHTS_FILE_H

#include "io/safetensors.h"

/* Maps folder/name, or refuses it; messages use name. DIFFCUT_ERROR_UNSUPPORTED for a format that is known and not
 * read, DIFFCUT_ERROR_FORMAT for what is no weights at all, else as safetensors_open. */
diffcut_status weights_file_open(const char *folder, const char *name, safetensors **out, diffcut_diagnostics *diag);

/* True for names that end as pickles do: .ckpt, .bin, .pt, .pth, .pkl. */
bool weights_file_is_pickle_name(const char *name);
/* The refusal of a pickle. */
diffcut_status weights_file_refuse_pickle(const char *name, diffcut_diagnostics *diag);

/* True when text ends so. */
bool weights_file_ends(const char *text, const char *end);

#endif
