import { startApi } from '../api-server.js';
import { runCli } from '../run-cli.js';

const ANSWER = {
  marks: [{ name: 'containers', now: 3, most: 50, over: false }, { name: 'images', now: 501, most: 500, over: true }, { name: 'memory', now: 0.42, most: 0.9, over: false }, { name: 'disk', now: null, most: 0.85, over: false }],
  previews: [
    { project: 'shop', label: 'branch-main', release: 'v7', status: 'running', idleSeconds: 60, next: 'sleep', inSeconds: 240, why: null, turn: 1 },
    { project: 'shop', label: 'dev', release: 'v3', status: 'running', idleSeconds: null, next: null, inSeconds: null, why: 'a stage always runs', turn: null },
  ],
  images: [{ project: 'shop', image: `sha256:${'a'.repeat(64)}`, bytes: 3 * 1024 ** 2, lastUsedAt: '2026-03-01T10:00:00.123Z', why: 'more than 500 images, and nobody used it for longest' }],
  kept: Array.from({ length: 500 }, (_, n) => ({ project: 'shop', image: `sha256:${String(n).padStart(64, '0')}`, bytes: 1, lastUsedAt: null, why: n < 2 ? 'it was used a moment ago' : 'there is room' })),
};

describe('slipway gc', () => {
  it('--dry-run tells what would go and why, and changes nothing', async () => {
    await using api = await startApi({ 'GET /api/gc': { json: ANSWER } });
    const { code, stdout, stderr } = await runCli(['gc', '--dry-run'], api);
    expect([code, stderr, api.changes]).toEqual([0, '', []]);
    expect(stdout.split('\n')).toEqual([
      'LIMIT OF    NOW   MOST  STATE', 'containers  3     50    ok', 'images      501   500   over', 'memory      42 %  90 %  ok', 'disk        –     85 %  ok', '',
      'PROJECT  PREVIEW      RELEASE  STATUS   IDLE    NEXT                 TURN',
      'shop     branch-main  v7       running  60 s    sleeps in 4 min      1',
      'shop     dev          v3       running  in use  a stage always runs  –', '',
      '1 image would go, 500 stay.', 'PROJECT  IMAGE         SIZE   LAST USED            WHY',
      'shop     aaaaaaaaaaaa  3 MiB  2026-03-01 10:00:00  more than 500 images, and nobody used it for longest', '',
      'STAY  WHY', '498   there is room', '2     it was used a moment ago', '',
    ]);
    expect((await runCli(['gc', '--dry-run', '--json'], api)).stdout).toBe(`${JSON.stringify(ANSWER)}\n`);
  });

  it('does it, and says what went', async () => {
    await using api = await startApi({ 'POST /api/gc': { json: { ...ANSWER, previews: [], images: [], kept: ANSWER.kept.slice(0, 1) } } });
    const { code, stdout } = await runCli(['gc'], api);
    expect([code, stdout.split('\n').slice(-5)]).toEqual([0, ['No image went; 1 image stays.', '', 'STAY  WHY', '1     it was used a moment ago', '']]);
    expect(api.changes).toEqual([{ line: 'POST /api/gc', body: { by: 'alice' } }]);
  });
});
