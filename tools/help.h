/*
 * help.h - the help pages, printed to stdout from the same tables that options.c reads.
 */
#ifndef DIFFCUT_TOOLS_HELP_H
#define DIFFCUT_TOOLS_HELP_H

#include "options.h"

void help_command(const command *self);

#endif
