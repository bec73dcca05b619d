// Ends a process group if this process ends without doing so, for example because it is killed: then the pipe
// between them closes.

import { type ChildProcess, spawn } from "node:child_process";

/**
 * @param groupId the leader's process id; its whole group is killed
 * @param directory removed afterwards
 * @returns the undertaker, which SIGKILL dismisses
 */
export function hireUndertaker(groupId: number | undefined, directory: string): ChildProcess {
  const script = 'read -r _; kill -9 "-$0"; sleep 1; rm -rf "$1"';
  return spawn("sh", ["-c", script, String(groupId), directory], {
    detached: true, // what is sent to our own group is not meant for it
    stdio: ["pipe", "ignore", "ignore"],
  });
}
