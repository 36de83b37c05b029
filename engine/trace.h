/* Trace points: the 15 stops of a message (docs/path-of-a-message.md). They cost nothing unless the build
 * defines SB_TRACE_PATH; then sb__trace is told of each stop, and the path test provides it. Below
 * everything. */
#ifndef SB_TRACE_H
#define SB_TRACE_H

#ifdef SB_TRACE_PATH
/* `stop` is 1 to 15, `function` where it is. Provided by the program that asked for the trace. */
void sb__trace(int stop, const char *function);
#define SB_TRACE(stop) sb__trace(stop, __func__)
#else
#define SB_TRACE(stop) ((void)0)
#endif

#endif
