"""One large file, judged in ranges by several processes, reported as one."""
