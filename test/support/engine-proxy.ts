import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A way to the real engine that can be taken away, without harm to the engine or to anybody else who uses it. */
export interface EngineProxy extends AsyncDisposable {
  /** As the value of `DOCKER_HOST`. */
  readonly address: string;
  /** How many connections are open. */
  readonly open: number;
  /** Cuts every connection; new ones are taken. */
  cut(): void;
  /** The engine is away: every connection is cut, and none is taken. */
  leave(): Promise<void>;
  /** It is back. */
  come(): Promise<void>;
}

/** @param isThere whether the engine can be reached from the start */
export async function startEngineProxy(isThere = true): Promise<EngineProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-proxy-'));
  const path = join(folder, 'docker.sock');
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => { sockets.delete(socket); });
    socket.on('error', () => undefined);
  };
  const cut = () => { for (const socket of sockets) socket.destroy(); };
  const come = async () => {
    server = createServer({ allowHalfOpen: true }, (client) => {
      const engine = openEngine(true);
      for (const socket of [client, engine]) keep(socket);
      client.pipe(engine).pipe(client);
      client.once('close', () => { engine.destroy(); });
      engine.once('close', () => { client.destroy(); });
    });
    server.listen(path);
    await once(server, 'listening');
  };
  const leave = async () => {
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    server = undefined;
    cut();
    await closed;
  };
  if (isThere) await come();
  return {
    address: `unix://${path}`, cut, come, leave,
    get open() { return sockets.size / 2; },
    [Symbol.asyncDispose]: async () => {
      await leave();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Where the tests' own client finds it too. */
export function openEngine(allowHalfOpen: boolean): Socket {
  const given = process.env.DOCKER_HOST ?? '';
  const tcp = /^tcp:\/\/([^:/]+):(\d+)/.exec(given);
  return tcp ? connect({ host: tcp[1], port: Number(tcp[2]), allowHalfOpen }) : connect({ path: given.replace(/^unix:\/\//, '') || '/var/run/docker.sock', allowHalfOpen });
}
