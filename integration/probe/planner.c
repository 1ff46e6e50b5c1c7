/*
 * A planner that does not do what planners do. MODE is 1: it crashes; 2: it prints garbage; 3: it says nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	if (MODE == 1)
		abort();
	if (MODE == 2) {
		puts("garbage");
		fflush(stdout);
	}
	for (;;)
		pause();
}
