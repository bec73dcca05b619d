// Sees to the end of a process group when this process ends without doing so itself, killed for example: then
// the pipe between them closes.

import { type ChildProcess, spawn } from "node:child_process";

/**
 * @param groupId the leader's process id; killed with all of its group
 * @param directory removed afterwards
 * @returns the undertaker, which is dismissed by SIGKILL
 */
export function hireUndertaker(groupId: number | undefined, directory: string): ChildProcess {
  const script = 'read -r _; kill -9 "-$0"; sleep 1; rm -rf "$1"';
  return spawn("sh", ["-c", script, String(groupId), directory], {
    detached: true, // what is sent to our own group is not meant for it
    stdio: ["pipe", "ignore", "ignore"],
  });
}
