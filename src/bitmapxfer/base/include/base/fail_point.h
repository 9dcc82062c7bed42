/** Named places where a test can kill or stop the process: built into test builds only
 * (BF_FAIL_POINTS).
 *
 *     BITFERRY_FAIL_POINT=publish.header:kill bitferry pull ...
 *
 * Actions: `kill` (SIGKILL to ourselves), `stop` (SIGSTOP); with `:3` behind it only when the place
 * is passed for the third time.
 */
#ifndef BASE_FAIL_POINT_H
#define BASE_FAIL_POINT_H

#ifdef BF_FAIL_POINTS
void bf_fail_point(const char *name);
#else
static inline void bf_fail_point(const char *name)
{
    (void)name;
}
#endif

#endif
