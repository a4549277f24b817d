import type { IncomingMessage } from 'node:http';
import { AppError } from '../../src/domain/errors.js';
import type { ContainerId } from '../../src/domain/ids.js';
import { createSecondChance } from '../../src/serve/second-chance.js';
import { toUpstreamFailure } from '../../src/serve/upstream-failure.js';

const container = 'c1' as ContainerId;
const failureOf = (code: string): AppError => toUpstreamFailure(Object.assign(new Error(code), { code }));
const LOST = failureOf('ECONNRESET');
const request = (method = 'GET', headers: IncomingMessage['headers'] = {}) => ({ method, headers }) as IncomingMessage;

/** What becomes of a request, with a container that is gone or is not. */
async function tryChance(error: AppError, { req = request(), gone = () => Promise.resolve(true), times = 1 } = {}) {
  const said: string[] = [];
  const giveChance = createSecondChance({ checks: { isGone: (id) => { said.push(`asked for ${id}`); return gone(); }, doubt: () => undefined } });
  for (let n = 0; n < times; n += 1) {
    giveChance(error, { req, container, again: () => { said.push('again'); }, answer: () => { said.push('answered'); } });
    await new Promise<void>((resolve) => { setImmediate(resolve); });
  }
  return said;
}

describe('K20: a request that its container did not answer', () => {
  it.each(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EPIPE'])('is sent again when the container is gone (%s)', async (code) => {
    expect(await tryChance(failureOf(code))).toEqual(['asked for c1', 'again']);
  });

  it('is sent again when nothing came for too long and the container is gone', async () => {
    expect(await tryChance(new AppError('upstream_timeout', 'Nothing came.'))).toEqual(['asked for c1', 'again']);
  });

  it('is answered when the container is there', async () => {
    expect(await tryChance(LOST, { gone: () => Promise.resolve(false) })).toEqual(['asked for c1', 'answered']);
  });

  it('is answered when nobody can tell', async () => {
    expect(await tryChance(LOST, { gone: () => Promise.reject(new Error('no answer')) })).toEqual(['asked for c1', 'answered']);
  });

  it('is sent again once: what ends two containers ends no third', async () => {
    expect(await tryChance(LOST, { times: 2 })).toEqual(['asked for c1', 'again', 'asked for c1', 'answered']);
  });

  it.each<[string, IncomingMessage]>([
    ['changes something', request('POST')], ['has a body', request('PUT', { 'content-length': '1' })], ['has a body of unknown length', request('GET', { 'transfer-encoding': 'chunked' })],
  ])('is answered at once when it %s, and the container is looked at all the same', async (_why, req) => {
    expect(await tryChance(LOST, { req })).toEqual(['asked for c1', 'answered']);
  });

  it.each(['HPE_INVALID_CONSTANT', 'HPE_HEADER_OVERFLOW'])('is answered when the container said something that is not HTTP (%s)', async (code) => {
    expect(await tryChance(failureOf(code))).toEqual(['answered']);
  });
});
