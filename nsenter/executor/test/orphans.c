// SPDX-License-Identifier: Apache-2.0
/* A payload that makes argv[1] orphans, says "done" and waits for a signal. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int n = argc > 1 ? atoi(argv[1]) : 0; n > 0; n--) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(fork() < 0);
		waitpid(pid, NULL, 0);
	}
	if (write(1, "done\n", 5) != 5)
		return 1;
	for (;;)
		pause();
}
