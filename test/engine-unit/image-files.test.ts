import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { filesOf } from '../../src/engine/image-files.js';
import type { ImageFile } from '../../src/engine/port.js';
import { collect } from '../support/until.js';

type Entry = Parameters<ReturnType<typeof pack>['entry']>[0] & { readonly content?: string };

/** The bytes of an archive, as the engine exports it. */
async function archiveOf(...entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content = '', ...header } of entries) archive.entry({ mtime: new Date(0), ...header }, content);
  archive.finalize();
  return buffer(Readable.from(archive));
}

const read = (bytes: Buffer): Promise<ImageFile[]> => collect(filesOf(Readable.from([bytes])));
const digestOf = async (entry: Entry): Promise<string | undefined> => (await read(await archiveOf(entry)))[0]?.digest;

describe('P12: the files of an exported container', () => {
  it('have paths without slashes around them, and the engine’s own are left out', async () => {
    const own = ['.dockerenv', 'dev/', 'dev/console', 'proc/', 'sys/', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf', 'etc/mtab'];
    const files = await read(await archiveOf(...own.map((name) => ({ name })), { name: './' }, { name: 'etc/', type: 'directory' }, { name: 'etc/hosts.allow' }, { name: './app/a' }, { name: 'developer' }, { name: 'app/.dockerenv' }));
    expect(files.map(({ path }) => path)).toEqual(['etc', 'etc/hosts.allow', 'app/a', 'developer', 'app/.dockerenv']);
  });

  it('have a name as long as it is', async () => {
    const name = `app/${'long/'.repeat(60)}wörld`;
    expect((await read(await archiveOf({ name, content: 'x' }))).map(({ path }) => path)).toEqual([name]);
  });

  const file: Entry = { name: 'a', mode: 0o644, content: 'x' };
  it.each<[string, Entry]>([
    ['content', { ...file, content: 'y' }], ['mode', { ...file, mode: 0o755 }], ['user', { ...file, uid: 1 }], ['group', { ...file, gid: 1 }],
    ['type', { name: 'a', mode: 0o644, type: 'directory' }], ['set-user-id bit', { ...file, mode: 0o4644 }], ['capabilities', { ...file, pax: { 'SCHILY.xattr.security.capability': 'x' } }],
  ])('differ when their %s does', async (_what, other) => {
    expect(await digestOf(other)).not.toBe(await digestOf(file));
  });

  it.each<[string, Entry]>([
    ['time', { ...file, mtime: new Date(1_000_000) }], ['owner’s name', { ...file, uname: 'ada' }], ['other notes', { ...file, pax: { mtime: '1.5' } }],
  ])('do not differ when only their %s does', async (_what, other) => {
    expect(await digestOf(other)).toBe(await digestOf(file));
  });

  it('differ when a link leads elsewhere', async () => {
    const link: Entry = { name: 'a', type: 'symlink', linkname: 'b' };
    expect(await digestOf({ ...link, linkname: 'c' })).not.toBe(await digestOf(link));
    expect(await digestOf({ ...link, type: 'link' })).not.toBe(await digestOf(link));
  });

  it.each([['within a file', 700], ['between two files', 1_024], ['within its end', -512]])('E22: an archive that is cut off %s is no archive', async (_where, at) => {
    const bytes = await archiveOf({ name: 'a', content: 'x'.repeat(300) }, { name: 'b', content: 'y' });
    await expect(read(bytes.subarray(0, at))).rejects.toThrow(/end/i);
  });

  it('are read as they come: what nobody reads further is let go', async () => {
    const source = Readable.from([await archiveOf({ name: 'a' }, { name: 'b', content: 'y' })]);
    for await (const { path } of filesOf(source)) { expect(path).toBe('a'); break; }
    expect(source.destroyed).toBe(true);
  });
});
