import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../src/domain/errors.js';
import { collect, until } from '../support/until.js';
import { PLACEMENT, silent, startInstances, type InstancesOptions, type StartedInstances } from './started-instances.js';

const SECRET = 's3cr3t-value-1';
const LONGEST_LINE = 16 * 1024;
const fileOf = ({ folder }: StartedInstances) => join(folder, 'shop-v1.log');
const printing = (...lines: string[]): InstancesOptions => ({ secrets: () => ({ TOKEN: SECRET }), program: () => ({ lines }) });
const damaged = (): never => { throw new AppError('internal', 'A secret cannot be read.'); };

describe('X12: a secret that an application prints', () => {
  it('is masked in what is kept, read, followed and last said', async () => {
    await using house = await startInstances(printing(`TOKEN=${SECRET}`));
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    const followed: string[] = [];
    const leaving = new AbortController();
    const following = (async () => { for await (const { text } of house.logs.follow(release, container, leaving.signal)) followed.push(text); })();
    house.engine.print(container, `${SECRET} again`);
    await until(() => followed.length === 2, 'both lines are there');
    leaving.abort();
    await following;
    const masked = ['TOKEN=***', '*** again'];
    expect(followed).toEqual(masked);
    expect((await collect(house.logs.read(release, container))).map(({ text }) => text)).toEqual(masked);
    expect(await house.logs.last(release, container)).toEqual(masked);
    await house.instances.stop(release);
    expect(readFileSync(fileOf(house), 'utf8')).toMatch(/^\S+ TOKEN=\*\*\*\n\S+ \*\*\* again\n$/);
    expect(await house.textsOf(release)).toEqual(masked);
  });

  it('is masked in why it did not start, and in why it ended', async () => {
    await using house = await startInstances({ ...printing(), probe: silent, program: () => ({ lines: [`bad ${SECRET}`], exits: { code: 1 } }) });
    await expect(house.instances.ensure(house.release(), PLACEMENT)).rejects.toMatchObject({ code: 'crashed', details: { lastLines: ['bad ***'] } });
    await using other = await startInstances(printing());
    const { container } = await other.instances.ensure(other.release(), PLACEMENT);
    other.engine.exit(container, 1, [`bad ${SECRET}`]);
    await until(() => other.changes.includes('gone: crashed'), 'its end is heard of');
    expect(other.instances.lastFailure(other.release())).toMatchObject({ details: { lastLines: ['bad ***'] } });
  });

  it('is masked where colours, an overwritten line or the cut of a long one come in between', async () => {
    const long = `${'x'.repeat(LONGEST_LINE - 10)}${SECRET.slice(0, 10)}`;
    await using house = await startInstances(printing('a s3cr3t\u001b[31m-value-1', `s3c\r${SECRET}`, `${long} … 4000 bytes omitted`, `${long}${SECRET.slice(10)} x`));
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    const [coloured, overwritten, cut, late] = await house.logs.last(release, container);
    expect([coloured, overwritten]).toEqual(['a ***', '***']);
    expect(cut?.slice(LONGEST_LINE - 12)).toMatch(/^xx\*\*\* … .* omitted …$/);
    expect(late?.slice(LONGEST_LINE - 12)).toBe('xx*** x');
  });

  it('is masked when it is read from what an earlier version kept', async () => {
    await using house = await startInstances(printing());
    mkdirSync(house.folder);
    const lines = [`TOKEN=${SECRET}`, `${SECRET.slice(0, 10)} … 4 … 18 characters omitted …`, `${SECRET.slice(0, 5)}\u{FFFD} … 9 bytes omitted`];
    writeFileSync(fileOf(house), lines.map((line) => `2026-01-01T00:00:00.000Z ${line}\n`).join(''));
    expect(await house.textsOf(house.release())).toEqual(['TOKEN=***', '*** … 4 … 18 characters omitted …', '***\u{FFFD} … 9 bytes omitted']);
  });

  it('is not shown where the secrets cannot be read: reading fails, nothing is kept, and the instance stops all the same', async () => {
    await using house = await startInstances({ ...printing(`TOKEN=${SECRET}`), secrets: damaged });
    const release = house.release();
    const { container } = await house.instances.ensure(release, PLACEMENT);
    await expect(collect(house.logs.read(release, container))).rejects.toMatchObject({ code: 'internal', message: 'A secret cannot be read.' });
    await expect(collect(house.logs.follow(release, container, new AbortController().signal))).rejects.toMatchObject({ code: 'internal' });
    expect(await house.logs.last(release, container)).toEqual([]);
    await house.instances.stop(release);
    expect(await house.engine.list()).toEqual([]);
    expect(() => readFileSync(fileOf(house))).toThrow('ENOENT');
    expect(house.log.recent().map(({ message }) => message)).toEqual(expect.arrayContaining(['application output not read', 'application log not kept']));
  });
});
