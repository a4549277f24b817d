import { originForm, ownCookieOnly, printable, requestHeaders, withoutReservedCookies } from '../../src/serve/proxy-guards.js';
import { processorMs } from '../support/processor-time.js';

const FORWARDED = { for: '10.0.0.9', host: 'p:3000', proto: 'http', port: '3000' } as const;

describe('proxy guards', () => {
  it('takes only Slipway’s cookies out of a line', () => {
    expect(withoutReservedCookies('a=slw_1; b=2')).toBe('a=slw_1; b=2');
    expect(withoutReservedCookies('slw_a=1; b=2;  c')).toBe('b=2;  c');
    expect(withoutReservedCookies('__HOST-slw_a=1')).toBeNull();
  });

  it.each([
    ['a=b; Domain=pv.localhost; Path=/', 'a=b; Path=/'],
    ['a=b;DOMAIN = ".localhost." ;Secure', 'a=b;Secure'],
    ['a=b; Domain=x.pv.localhost', 'a=b; Domain=x.pv.localhost'],
    ['a=b; Domain=elsewhere', 'a=b; Domain=elsewhere'],
    ['a=domain; Domain=', 'a=domain; Domain='],
    ['a=b; domain', 'a=b; domain'],
    [' slw_x=1', null],
  ])('turns the cookie %j into %j', (line, expected) => {
    expect(ownCookieOnly(line, 'X.pv.localhost')).toBe(expected);
  });

  it('reads the longest cookie attribute in no time', async () => {
    expect(await processorMs(() => ownCookieOnly(`a=b; domain=${' '.repeat(200_000)}x"`, 'x.pv.localhost'))).toBeLessThan(200);
  });

  it('reads targets of every form', () => {
    expect(['/a//b', '*', 'http://h', 'http://h?q', 'HTTP://u@h:1/x//y'].map(originForm)).toEqual(['/a//b', '*', '/', '/?q', '/x//y']);
    expect(() => originForm('/a b')).toThrow('may not have');
  });

  it('leaves no control character in a reason phrase', () => {
    expect(printable('O\x01K\r\n \u0100fine')).toBe('OK fine');
  });

  it('names the host when the client did not, and the request always', () => {
    const lines = requestHeaders(['x-request-id', 'theirs'], { forwarded: FORWARDED, trusted: false, requestId: 'ours' });
    expect(lines).toEqual([
      'Host', 'p:3000', 'X-Forwarded-For', '10.0.0.9', 'X-Forwarded-Host', 'p:3000', 'X-Forwarded-Proto', 'http', 'X-Forwarded-Port', '3000', 'X-Request-Id', 'ours',
    ]);
  });

  it('leaves each line of a name its spelling and its place', () => {
    const lines = requestHeaders(['Host', 'h', 'ACCEPT', 'a', 'X-Y', '1', 'accept', 'b'], { forwarded: FORWARDED, trusted: false, requestId: 'ours' });
    expect(lines.slice(0, 8)).toEqual(['Host', 'h', 'ACCEPT', 'a', 'X-Y', '1', 'accept', 'b']);
  });
});
