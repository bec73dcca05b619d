/**
 * Ports for servers that are told theirs before they listen, or come back to it after they were down.
 *
 * A port that is looked for, let go and taken later may be somebody else's by then. Most often it is an
 * outgoing connection's: for those the kernel takes any free port of its ephemeral range, as it does for
 * `listen(0)`. So these ports lie outside that range, where only who names a port gets it, and among the
 * processes of this project the number is claimed: by a UDP socket, which the kernel gives to one process
 * alone and takes back when that process ends.
 *
 * Nobody listens on a claimed port until its owner does: it is also a port at which connections are refused.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";

export interface ClaimedPort {
  readonly port: number;
  release(): void;
}

const EPHEMERAL = "/proc/sys/net/ipv4/ip_local_port_range";
/** Below are the services that people install. */
const FIRST_PORT = 10_000;
const LAST_PORT = 65_535;
/** Less than this would not do for many processes. */
const LEAST_PORTS = 1_000;
const TRIES = 200;
/** Of a program, each on other ports. */
const STARTS = 5;

// A socket that nothing refers to might be collected, and its claim with it.
const claims = new Set<Socket>();

/** Claims a port of this machine's loopback addresses until it is released, or this process ends. */
export async function claimPort(): Promise<ClaimedPort> {
  const { first, last } = portsToClaim();
  for (let tries = 0; tries < TRIES; tries++) {
    const claimed = await claim(first + Math.floor(Math.random() * (last - first + 1)));
    if (claimed !== null) return claimed;
  }
  throw new Error(`Of ${TRIES} ports from ${first} to ${last} none is free`);
}

/** Claims this port. @returns null when it is claimed already, or somebody listens on it */
export async function claim(port: number): Promise<ClaimedPort | null> {
  const socket = createSocket("udp4");
  // Not shared with the other workers of a cluster: the claim is this process's own.
  socket.bind({ port, address: "127.0.0.1", exclusive: true });
  if (!(await isListening(socket))) return null;
  socket.unref();
  claims.add(socket);
  const release = () => {
    if (claims.delete(socket)) socket.close();
  };
  if ((await canListen(port, "127.0.0.1")) && (await canListen(port, "::1"))) return { port, release };
  release();
  return null;
}

/** The wider of the two ranges beside the ephemeral one. */
export function portsToClaim(
  ephemeral = existsSync(EPHEMERAL) ? readFileSync(EPHEMERAL, "utf8") : "49152 65535",
): { readonly first: number; readonly last: number } {
  const [low = 0, high = 0] = ephemeral.trim().split(/\s+/).map(Number);
  const below = { first: FIRST_PORT, last: low - 1 };
  const above = { first: Math.max(FIRST_PORT, high + 1), last: LAST_PORT };
  const wider = below.last - below.first >= above.last - above.first ? below : above;
  // A machine that gives everything to outgoing connections: then all that is left is to try.
  return wider.last - wider.first < LEAST_PORTS ? { first: FIRST_PORT, last: LAST_PORT } : wider;
}

/**
 * Starts what is told its ports, and starts it again on others if one is taken: a claim keeps no program away
 * that is not of this project.
 *
 * @param start claims the ports itself, and leaves nothing behind when it fails
 */
export async function onOtherPorts<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await start();
    } catch (error) {
      if (tries === STARTS || !isTaken(error)) throw error;
    }
  }
}

/** By the words of Node and of the C library, which a program's log has as well. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && /EADDRINUSE|address already in use/i.test(error.message);
}

async function isListening(socket: Socket): Promise<boolean> {
  try {
    await once(socket, "listening");
    return true;
  } catch {
    socket.close();
    return false;
  }
}

async function canListen(port: number, host: string): Promise<boolean> {
  const server = createServer().listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    // A machine without IPv6 has no ::1 to be taken.
    return (
      error instanceof Error && "code" in error && error.code !== "EADDRINUSE" && error.code !== "EACCES"
    );
  }
  server.close();
  await once(server, "close");
  return true;
}
