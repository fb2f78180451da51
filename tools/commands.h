/*
 * commands.h - the subcommands, one file each. main.c lists them; a new one is a file, a line here and a line there.
 */
#ifndef DIFFCUT_TOOLS_COMMANDS_H
#define DIFFCUT_TOOLS_COMMANDS_H

#include "options.h"

extern const command command_segment;
extern const command command_label;
extern const command command_features;
extern const command command_cut;
extern const command command_refine;
extern const command command_score;
extern const command command_model_info;
extern const command command_model_verify;
extern const command command_model_context;
extern const command command_model_synth;
extern const command command_model_pull;
extern const command command_eval_merge;
extern const command command_coherence;
extern const command command_eval;
extern const command command_bench;
extern const command command_similarity;
extern const command command_serve;

#endif
