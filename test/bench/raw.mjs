// The floors: what a script with nothing between it and git and Docker needs.
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import tar from 'tar-stream';
import { readdir, readFile } from 'node:fs/promises';

const run = promisify(execFile);
export const docker = new Docker();
export const LABEL = 'slipway-bench';

/** Asks until something answers below 500. */
export function firstAnswer(options) {
  return new Promise((resolve) => {
    const ask = () => {
      const asked = request({ agent: false, path: '/', ...options }, (answer) => {
        answer.resume();
        if (answer.statusCode < 500) resolve(answer.statusCode); else setTimeout(ask, 5);
      });
      asked.on('error', () => setTimeout(ask, 5));
      asked.end();
    };
    ask();
  });
}

/** Create, start, first answer; the settings that cost time in the engine are those of a preview. */
export async function createAndStart(image, network) {
  const container = await docker.createContainer({
    Image: image, Labels: { [LABEL]: '1' },
    HostConfig: {
      NetworkMode: network, Init: true, Memory: 512 * 1024 ** 2, MemorySwap: 512 * 1024 ** 2, PidsLimit: 256, NanoCpus: 1e9,
      CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges:true'],
    },
  });
  await container.start();
  const { NetworkSettings: { Networks } } = await container.inspect();
  const address = Networks[network].IPAddress;
  await firstAnswer({ host: address, port: 3000 });
  return { container, address };
}

async function pack(folder, prefix, into) {
  for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
    const name = join(prefix, entry.name);
    if (entry.name === '.git') continue;
    if (entry.isDirectory()) await pack(folder, name, into);
    else into.entry({ name, mtime: new Date(0) }, await readFile(join(folder, name)));
  }
}

/** Checkout, build with BuildKit, create, start, first answer. */
export async function checkoutBuildRun(repository, commit, network) {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-'));
  await run('git', ['clone', '-q', '--local', '--no-checkout', repository, folder]);
  await run('git', ['-C', folder, 'checkout', '-q', '--detach', commit]);
  const context = tar.pack();
  pack(folder, '', context).then(() => { context.finalize(); });
  const tag = `${LABEL}:${commit}`;
  const stream = await docker.buildImage(context, { t: tag, version: '2' });
  await new Promise((resolve, reject) => { stream.on('data', () => undefined).on('end', resolve).on('error', reject); });
  const started = await createAndStart(tag, network);
  await rm(folder, { recursive: true });
  return started;
}

/** Removes what this file made. */
export async function cleanUp() {
  for (const { Id } of await docker.listContainers({ all: true, filters: { label: [LABEL] } })) await docker.getContainer(Id).remove({ force: true, v: true });
  for (const { Id, RepoTags } of await docker.listImages()) {
    if (RepoTags?.some((tag) => tag.startsWith(`${LABEL}:`))) await docker.getImage(Id).remove({ force: true });
  }
  await docker.getNetwork(LABEL).remove().catch(() => undefined);
}
