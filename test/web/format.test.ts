import { join } from 'node:path';
import fc from 'fast-check';
import { formatBytes, formatDuration, formatEta, relativeTime, repositoryLink, shortHash, shortKey, toMoment } from '../../src/web/format.js';

const ASSETS = join(import.meta.dirname, '../../views/assets');
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

describe('format', () => {
  it.each([
    [0, 'just now'], [9_999, 'just now'], [12 * SECOND, '12 seconds ago'], [60 * SECOND, '1 minute ago'],
    [3 * HOUR, '3 hours ago'], [49 * HOUR, '2 days ago'], [40 * 24 * HOUR, '1 month ago'], [800 * 24 * HOUR, '2 years ago'],
    [-5 * 60 * SECOND, 'in 5 minutes'],
  ])('says %d ms as %s', (distance, words) => {
    expect(relativeTime(1e12 - distance, 1e12)).toBe(words);
  });

  it('says the same in the browser as on the server', async () => {
    const browser = await import(join(ASSETS, 'times.js')) as { relativeTime: typeof relativeTime };
    const time = fc.integer({ min: 0, max: 4e12 });
    fc.assert(fc.property(time, time, (at, now) => browser.relativeTime(at, now) === relativeTime(at, now)));
  });

  it('estimates the same in the browser as on the server', async () => {
    const browser = await import(join(ASSETS, 'log-tail.js')) as { estimate: (seconds: number) => string };
    fc.assert(fc.property(fc.integer({ min: 0, max: 10_000 }), (seconds) => browser.estimate(seconds) === formatEta(seconds)));
  });

  it('J4: shows hidden characters of live lines as the server does', async () => {
    const browser = await import(join(ASSETS, 'visible.js')) as { visible: (text: string) => string };
    expect(browser.visible('a\u202eb\u200bc\u0007 👩‍💻')).toBe('a⟨U+202E⟩b⟨U+200B⟩c⟨U+0007⟩ 👩‍💻');
  });

  it('prepares a time for a page', () => {
    const at = Date.UTC(2026, 2, 1, 14, 5, 9);
    expect(toMoment(at, at + HOUR)).toEqual({ iso: '2026-03-01T14:05:09.000Z', relative: '1 hour ago', full: '2026-03-01 14:05:09 UTC' });
  });

  it.each([
    [-5, '0 s'], [840, '0.8 s'], [9_999, '9.9 s'], [12_400, '12 s'], [185_000, '3 min 5 s'], [60_000, '1 min'],
    [2 * HOUR + 4 * 60 * SECOND, '2 h 4 min'], [74 * HOUR, '3 d 2 h'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it.each([[null, null], [3, 'a few seconds'], [31, 'about 40 s'], [60, 'about 1 min'], [100, 'about 2 min']])('estimates %p as %p', (seconds, text) => {
    expect(formatEta(seconds)).toBe(text);
  });

  it.each([[0, '0 B'], [512, '512 B'], [1_536, '1.5 KiB'], [512 * 1024 ** 2, '512 MiB'], [2 * 1024 ** 3, '2 GiB'], [5e17, '454747.4 TiB']])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('shortens hashes and keys', () => {
    expect(shortHash('4f2a9c0be1d35a7788e0c6d1f0b9a3e2c4d5f607')).toBe('4f2a9c0b');
    expect(shortKey('c0ffee'.repeat(11))).toBe('c0ffeec0ffee');
  });

  it.each([
    ['https://user:secret@git.example.com/a.git?token=x', 'https://git.example.com/a.git', 'https://git.example.com/a.git'],
    ['ssh://git:secret@git.example.com/a.git', 'ssh://git@git.example.com/a.git', null],
    ['git@git.example.com:acme/a.git', 'git@git.example.com:acme/a.git', null],
    ['/srv/shop', '/srv/shop', null],
    ['javascript:alert(1)', 'javascript:alert(1)', null],
  ])('shows %s without credentials and links only what a browser can open', (address, text, url) => {
    expect(repositoryLink(address)).toEqual({ text, url });
  });
});
