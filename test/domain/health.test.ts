import { formatAsked, parseHealthTest } from '../../src/domain/health.js';

describe('P8: a health line', () => {
  it.each([
    ['GET /healthz 200', { kind: 'http', method: 'GET', path: '/healthz', status: 200 }],
    ['HEAD / 204', { kind: 'http', method: 'HEAD', path: '/', status: 204 }],
    ['GET /a?b=%20c#d 503', { kind: 'http', method: 'GET', path: '/a?b=%20c#d', status: 503 }],
    ['GET / 100', { kind: 'http', method: 'GET', path: '/', status: 100 }],
    ['GET / 599', { kind: 'http', method: 'GET', path: '/', status: 599 }],
    ['tcp', { kind: 'tcp' }],
  ])('reads %s', (text, test) => { expect(parseHealthTest(text)).toEqual(test); });

  it.each([
    '', 'GET', 'GET /healthz', 'GET healthz 200', 'get /healthz 200', 'POST /healthz 200', 'GET /healthz 99', 'GET /healthz 600', 'GET /healthz 2000', 'GET /a b 200',
    'GET  /healthz 200', ' GET /healthz 200', 'GET /healthz 200 ', 'GET /é 200', 'GET /a\nb 200', 'GET /a\u0000 200', 'GET /\u007f 200', 'TCP', 'tcp 3000', 'GET /healthz 200\n',
  ])('refuses %j', (text) => { expect(parseHealthTest(text)).toBeUndefined(); });

  it('is said without what must be answered', () => {
    expect(formatAsked({ kind: 'http', method: 'HEAD', path: '/x', status: 204 })).toBe('HEAD /x');
    expect(formatAsked({ kind: 'tcp' })).toBe('tcp');
  });
});
