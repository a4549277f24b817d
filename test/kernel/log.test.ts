import { readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../src/domain/errors.js';
import { createLogFile } from '../../src/kernel/log-file.js';
import { consoleLine, createLog, type LogRecord } from '../../src/kernel/log.js';
import { createTestFolder } from '../support/git.js';
import { createQuietLog } from '../support/quiet-log.js';

const recordsOf = (file: string): LogRecord[] => readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as LogRecord);
const messagesOf = (file: string): string[] => recordsOf(file).map(({ message }) => message);

describe('the application log', () => {
  it('has the last 1,000 records, newest first', () => {
    const log = createQuietLog();
    for (let n = 1; n <= 1_500; n += 1) log.info(`record ${n}`);
    const records = log.recent();
    expect([records.length, records[0]?.message, records.at(-1)?.message]).toEqual([1_000, 'record 1500', 'record 501']);
    expect(new Date(records[0]?.at ?? '').toISOString()).toBe(records[0]?.at);
  });

  it('keeps nothing below its level', () => {
    const log = createLog({ level: 'warn', file: null, console: false });
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](level);
    expect(log.recent().map(({ level }) => level)).toEqual(['error', 'warn']);
  });

  it('binds fields to a child, whose own fields win', () => {
    const log = createQuietLog();
    log.child({ commit: 'abc', build: 1 }).child({ build: 2 }).info('built', { ms: 5 });
    log.info('other');
    expect(log.recent().map(({ fields }) => fields)).toEqual([{}, { commit: 'abc', build: 2, ms: 5 }]);
  });

  it('has errors with stack and causes', () => {
    const log = createQuietLog();
    log.error('failed', { error: new AppError('engine_unavailable', 'No engine.', { cause: new Error('ECONNREFUSED', { cause: new Error('deep') }) }) });
    expect(String(log.recent()[0]?.fields.error)).toMatch(/^AppError: No engine\.\n {4}at [^]* ← Error: ECONNREFUSED\n[^]* ← Error: deep\n/);
  });

  it('is not stopped by values that JSON cannot hold', () => {
    const circle: Record<string, unknown> = {};
    circle.itself = circle;
    const log = createQuietLog();
    log.info('odd', { circle, big: 10n, nothing: undefined, call: () => 1 });
    log.info('next');
    expect(log.recent().map(({ message }) => message)).toEqual(['next', 'odd']);
  });

  it('shows records as they were when they were written', () => {
    const log = createQuietLog();
    const state = { step: 1 };
    log.info('at', { state });
    state.step = 2;
    expect(log.recent()[0]?.fields).toEqual({ state: { step: 1 } });
  });
});

describe('the log file', () => {
  it('J7: has one JSON record per line, whatever the values, and nobody can forge one', async () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'logs', 'server.log');
    const log = createLog({ level: 'info', file, console: false });
    const forged = 'x\n{"level":"error","message":"forged","at":"","fields":{}}\r\n\u2028\u0085';
    log.info('branch seen', { branch: forged, level: 'error', message: 'forged' });
    log.info(forged);
    await log.close();
    expect(recordsOf(file)).toHaveLength(2);
    expect(recordsOf(file)[0]).toMatchObject({ level: 'info', message: 'branch seen', fields: { branch: forged, level: 'error', message: 'forged' } });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('holds every record when the log is closed; later ones are seen in the ring only', async () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'server.log');
    const log = createLog({ level: 'info', file, console: false });
    const child = log.child({ part: 'a' });
    for (let n = 1; n <= 500; n += 1) log.info(`record ${n}`);
    await log.close();
    expect(messagesOf(file)).toHaveLength(500);
    child.info('later');
    await log.close();
    expect(log.recent()[0]?.message).toBe('later');
    expect(log.recent()).toHaveLength(501);
    expect(messagesOf(file)).toHaveLength(500);
  });

  it('K11: a full disk neither ends nor holds up anything, and closing ends', async () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'server.log');
    symlinkSync('/dev/full', file);
    const log = createLog({ level: 'info', file, console: false });
    for (let n = 1; n <= 200; n += 1) log.info(`record ${n}`, { pad: 'x'.repeat(10_000) });
    expect(log.recent()).toHaveLength(200);
    unlinkSync(file);
    log.info('room again');
    await log.close();
    expect(recordsOf(file)).toMatchObject([{ level: 'warn', message: 'log records lost', fields: { count: 200 } }, { message: 'room again' }]);
  });

  it('begins when its folder cannot be made, and writes once it can', async () => {
    using folder = createTestFolder();
    const logs = join(folder.path, 'logs');
    writeFileSync(logs, 'in the way');
    const log = createLog({ level: 'info', file: join(logs, 'server.log'), console: false });
    log.info('one');
    unlinkSync(logs);
    log.info('two');
    await log.close();
    expect(log.recent().map(({ message }) => message)).toEqual(['two', 'one']);
    expect(messagesOf(join(logs, 'server.log'))).toEqual(['log records lost', 'two']);
  });

  it.each<[string, (logs: string) => void]>([
    ['the file is deleted', (logs) => { unlinkSync(join(logs, 'server.log')); }],
    ['the file is renamed', (logs) => { renameSync(join(logs, 'server.log'), join(logs, 'old.log')); }],
    ['the folder is removed', (logs) => { rmSync(logs, { recursive: true }); }],
  ])('K24: continues in a new file when %s', async (_what, change) => {
    using folder = createTestFolder();
    const logs = join(folder.path, 'logs');
    const log = createLog({ level: 'info', file: join(logs, 'server.log'), console: false });
    log.info('before');
    change(logs);
    for (let n = 1; n <= 1_000; n += 1) log.info('after', { pad: 'x'.repeat(2_000) });
    await log.close();
    expect(messagesOf(join(logs, 'server.log'))).toEqual(Array.from({ length: 1_000 }, () => 'after'));
  });

  it('continues on a line of its own after half a line', () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'server.log');
    const sink = createLogFile({ file, maxBytes: 1_000, files: 2 });
    sink.write('{"n":1}\n');
    renameSync(file, join(folder.path, 'kept'));
    symlinkSync('/dev/full', file);
    sink.write('{"n":2}\n');
    unlinkSync(file);
    writeFileSync(file, '{"n":1}\n{"n":');
    sink.write('{"n":3}\n');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect([lines[0], lines[1], lines[3], lines.length]).toEqual(['{"n":1}', '{"n":', '{"n":3}', 4]);
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({ message: 'log records lost', fields: { count: 1 } });
  });

  it('K24: turns at its size, keeps as many files as it may, and loses no line in between', () => {
    using folder = createTestFolder();
    const sink = createLogFile({ file: join(folder.path, 'server.log'), maxBytes: 100, files: 3 });
    for (let n = 100; n < 150; n += 1) sink.write(`{"line":${n}}\n`);
    const files = readdirSync(folder.path).sort();
    expect(files).toEqual(['server.log', 'server.log.1', 'server.log.2']);
    const sizes = files.map((name) => statSync(join(folder.path, name)).size);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
    const numbers = files.toReversed().flatMap((name) => readFileSync(join(folder.path, name), 'utf8').trimEnd().split('\n')).map((line) => (JSON.parse(line) as { line: number }).line);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => 150 - numbers.length + index));
    expect(numbers.length).toBeGreaterThan(14);
  });

  it('D15: begins a new file each day and keeps those of seven days', () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'server.log');
    const sink = createLogFile({ file, maxBytes: 5_000, files: 7 });
    for (let day = 9; day > 0; day -= 1) {
      sink.write(`"${day} days ago"\n`);
      const at = new Date(Date.now() - 86_400_000 * day);
      utimesSync(file, at, at);
    }
    sink.write('"today"\n');
    sink.write('"today, later"\n');
    expect(readdirSync(folder.path)).toHaveLength(7);
    expect([readFileSync(file, 'utf8'), readFileSync(`${file}.1`, 'utf8'), readFileSync(`${file}.6`, 'utf8')]).toEqual(['"today"\n"today, later"\n', '"1 days ago"\n', '"6 days ago"\n']);
  });

  it('writes a line that is larger than a file may be', () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'server.log');
    const sink = createLogFile({ file, maxBytes: 100, files: 2 });
    const line = `"${'x'.repeat(300)}"\n`;
    sink.write(line);
    sink.write('"next"\n');
    expect([readFileSync(`${file}.1`, 'utf8'), readFileSync(file, 'utf8')]).toEqual([line, '"next"\n']);
  });
});

it('J7: on the console no value can pass for a record or move the cursor', () => {
  const text = consoleLine({ at: 'T', level: 'info', message: 'seen', fields: { branch: 'a\nT error forged \x1b[2J\r', ms: 5 } });
  expect(text).toBe('T info seen branch="a\n    T error forged \ufffd" ms=5');
});

it.each([
  ['mallory ms=1', '"mallory ms=1"'], ['a"b', '"a\\"b"'], ['x" by="y', '"x\\" by=\\"y"'], ['a=b', '"a=b"'], ['\\', '"\\\\"'], ['', '""'], ['a\u2003b', '"a\u2003b"'], ['feature/x', 'feature/x'],
])('J7: on the console the value %j cannot pass for a field: %s', (value, shown) => {
  expect(consoleLine({ at: 'T', level: 'info', message: 'seen', fields: { by: value, list: ['a b'] } })).toBe(`T info seen by=${shown} list=["a b"]`);
});
