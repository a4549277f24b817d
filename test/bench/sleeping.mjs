// Sleeping → first byte, against unpause and answer with nothing in between.
import { createAndStart, docker, firstAnswer, LABEL } from './raw.mjs';

const timed = async (work) => { const at = performance.now(); await work(); return performance.now() - at; };

async function untilPaused(id) {
  while (!(await docker.getContainer(id).inspect()).State.Paused) await new Promise((resolve) => { setTimeout(resolve, 20); });
}

/** Each round wakes the floor and Slipway once. @returns milliseconds of each round */
export async function measureSleeping({ port, commit, rounds }) {
  const host = `hash-${commit}.localhost:${port}`;
  const open = () => firstAnswer({ host: '127.0.0.1', port, headers: { host } });
  await open();
  const [{ Id, Image }] = await docker.listContainers({ filters: { label: [`slipway.commit=${commit}`] } });
  const raw = await createAndStart(Image, LABEL);
  const figures = { raw: [], slipway: [] };
  for (let round = 0; round < rounds; round += 1) {
    await raw.container.pause();
    figures.raw.push(await timed(async () => {
      await raw.container.unpause();
      await firstAnswer({ host: raw.address, port: 3000 });
    }));
    await untilPaused(Id);
    figures.slipway.push(await timed(open));
  }
  await raw.container.remove({ force: true });
  return figures;
}
