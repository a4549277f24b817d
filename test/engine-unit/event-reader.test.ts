import type { InstanceId } from '../../src/domain/ids.js';
import { createEventReader, WATCHED } from '../../src/engine/event-reader.js';

const instance = 'abcdef01' as InstanceId;
const id = 'c'.repeat(64);
const image = `sha256:${'a'.repeat(64)}`;
const ours = { 'slipway.instance': instance, 'slipway.project': 'shop', 'image': image, 'name': 'slipway-abcdef01-shop-1' };
const OURS = 'slipway-abcdef01-shop';

/** A line as engine 20.10 writes it, of `Type Action`. */
const line = (what: string, attributes: Record<string, unknown> = {}, of = id): string => {
  const [type = '', action = ''] = what.split(' ');
  const before = type === 'container' ? { status: action, id: of, from: image } : {};
  return JSON.stringify({ ...before, Type: type, Action: action, Actor: { ID: of, Attributes: attributes }, scope: 'local', time: 1_795_268_736 });
};
const lost = (byHand: boolean, container = id) => [{ kind: 'container-lost', container, byHand }];
const readAll = (lines: readonly string[]) => { const read = createEventReader(instance); return lines.flatMap((each) => read(each).events); };

describe('an event of the engine', () => {
  it('has the engine’s own time', () => {
    expect(createEventReader(instance)(line('container die', ours)).at).toBe(1_795_268_736);
  });

  it.each([
    ['an end by itself', [line('container die', { ...ours, exitCode: '1' })], lost(false)],
    ['an end for want of memory', [line('container die', { ...ours, exitCode: '137' })], lost(false)],
    ['docker stop', [line('container kill', { ...ours, signal: '15' }), line('container die', ours)], lost(true)],
    ['docker kill', [line('container kill', { ...ours, signal: '9' }), line('container die', ours)], lost(true)],
    ['a reload, and an end by itself later', [line('container kill', { ...ours, signal: '1' }), line('container die', ours)], lost(false)],
    ['docker rm -f', [line('container kill', { ...ours, signal: '9' }), line('container die', ours), line('container destroy', ours)], [...lost(true), ...lost(true)]],
    ['a removal alone', [line('container destroy', ours)], lost(true)],
  ])('%s', (_what, lines, events) => {
    expect(readAll(lines)).toEqual(events);
  });

  it('X16: of a one-off’s container is told to nobody, that of its network included', () => {
    const once = { ...ours, 'slipway.once': '1' };
    const other = 'd'.repeat(64);
    expect(readAll([
      line('container kill', { ...once, signal: '9' }), line('container die', once), line('network disconnect', { container: id, name: OURS, type: 'bridge' }), line('container destroy', once),
      line('network disconnect', { container: other, name: OURS, type: 'bridge' }),
    ])).toEqual(lost(false, other));
  });

  it('tells one container’s end by hand from another one’s own', () => {
    const other = 'd'.repeat(64);
    expect(readAll([line('container kill', { ...ours, signal: '9' }), line('container die', ours, other), line('container die', ours)]))
      .toEqual([...lost(false, other), ...lost(true)]);
  });

  it.each([
    ['docker network disconnect', line('network disconnect', { container: id, name: OURS, type: 'bridge' }), lost(false)],
    ['docker network rm', line('network destroy', { name: OURS, type: 'bridge' }), [{ kind: 'network-removed', project: 'shop' }]],
    ['docker rmi by id', line('image delete', { name: image }, image), [{ kind: 'image-removed', image }]],
    ['docker rmi by tag', line('image untag', { 'slipway.key': 'x', 'name': image }, image), [{ kind: 'image-removed', image }]],
  ])('%s', (_what, text, events) => {
    expect(readAll([text])).toEqual(events);
  });

  it.each([
    ['another server’s container', line('container die', { ...ours, 'slipway.instance': '12345678' })],
    ['anybody’s container', line('container die', { name: 'database' })],
    ['another server’s network', line('network destroy', { name: 'slipway-12345678-shop' })],
    ['anybody’s network', line('network disconnect', { container: id, name: 'bridge' })],
    ['something new', line('plugin disable')],
    ['nothing', '  '],
  ])('%s is none of ours', (_what, text) => {
    expect(readAll([text])).toEqual([]);
  });

  it.each([
    ['half a line', line('container die', ours).slice(0, 90)], ['no JSON', 'Internal Server Error'], ['null', 'null'], ['a number', '7'], ['a list', '[]'],
    ['an empty object', '{}'], ['no time', '{"Type":"container","Action":"die","Actor":{}}'],
    ['an image that is named otherwise', line('image delete', {}, 'shop:latest')], ['an image without a name', line('image delete', {}, '')],
    ['a name that is none', line('network destroy', { name: 7 })], ['a project that is none', line('network destroy', { name: `${OURS}/../..` })],
  ])('%s cannot be read: it is a gap, and ends nothing', (_what, text) => {
    expect(createEventReader(instance)(text)).toEqual({ events: [{ kind: 'gap' }], at: undefined });
  });

  it.each([[null], [undefined], [[]]])('without an actor (%j) is nobody’s', (actor) => {
    expect(readAll([JSON.stringify({ Type: 'container', Action: 'die', Actor: actor, time: 1 })])).toEqual([]);
  });

  it('INV7: keeps a thousand containers in mind that were told to end and did not', () => {
    const read = createEventReader(instance);
    const names = Array.from({ length: 1_001 }, (_, n) => n.toString(16).padStart(64, '0'));
    for (const name of names) read(line('container kill', { ...ours, signal: '15' }, name));
    const [oldest = '', next = ''] = names;
    expect([read(line('container die', ours, oldest)).events, read(line('container die', ours, next)).events]).toEqual([lost(false, oldest), lost(true, next)]);
  });

  it('is asked for only where it means something', () => {
    expect(WATCHED.event).not.toContain('exec_start');
    expect(WATCHED.type).toEqual(['container', 'image', 'network']);
  });
});
