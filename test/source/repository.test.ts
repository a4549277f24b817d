import { gitEnvironment, gitSettings } from '../../src/source/git-settings.js';
import { lastSentence } from '../../src/source/git-stream.js';
import { parseRepository } from '../../src/source/repository.js';

describe('the address of a repository', () => {
  it.each([
    ['https://git.example.com/acme/shop.git', 'https://git.example.com/acme/shop.git', null],
    ['http://git.example.com:8080/shop', 'http://git.example.com:8080/shop', null],
    ['ssh://git@git.example.com:22/acme/shop.git', 'ssh://git@git.example.com:22/acme/shop.git', null],
    ['git@git.example.com:acme/shop.git', 'git@git.example.com:acme/shop.git', null],
    ['git.example.com:shop', 'git.example.com:shop', null],
    ['/srv/git/my shop.git/', '/srv/git/my shop.git', '/srv/git/my shop.git'],
    ['file:///srv/git/shop', '/srv/git/shop', '/srv/git/shop'],
  ])('%s is allowed', (text, address, path) => {
    expect(parseRepository(text)).toMatchObject({ address, path, authorization: null });
  });

  it.each([
    'ext::sh -c touch% /tmp/pwn', 'EXT::sh', 'fd::17', 'git://git.example.com/shop', 'ftp://git.example.com/shop', 'ext://x', '-oProxyCommand=x:y',
    '--upload-pack=x', 'ssh://-oProxyCommand=x/y', '-x@host:path', '', 'relative/path', 'https://', '/srv/git\n[core]', 'https://a.example.com/\tx', 'file://host/x%2Fy',
  ])('B1: %j is refused with what is allowed', (text) => {
    expect(() => parseRepository(text)).toThrow(/A repository is https:/);
  });

  it.each([
    ['https://user:to%40ken@git.example.com/x.git', ['to%40ken', 'to@ken']],
    ['https://lonetoken@git.example.com/x.git', ['lonetoken']],
  ])('B15: credentials of %s are neither in the address nor in what is said', (text, secrets) => {
    const repository = parseRepository(text);
    expect(repository.address).toBe('https://git.example.com/x.git');
    const said = repository.redact(`fatal: '${text}' and ${secrets.join(' ')} and ${repository.authorization ?? ''}`);
    for (const secret of secrets) expect(said).not.toContain(secret);
    expect(said).not.toContain(repository.authorization?.split(' ').at(-1));
  });

  it('B15: a refused address does not show its password', () => {
    expect(() => parseRepository('git://user:secret@git.example.com/x')).toThrow(/^(?!.*secret)/);
  });
});

describe('the settings of git', () => {
  const place = (text: string) => ({ gitDir: '/m', home: '/h', configFile: '/c', path: '/bin', repository: parseRepository(text) });

  it('B1: allow the file protocol for a configured path only', () => {
    expect(gitEnvironment(place('https://git.example.com/x')).GIT_ALLOW_PROTOCOL).toBe('https:http:ssh');
    expect(gitEnvironment(place('/srv/x')).GIT_ALLOW_PROTOCOL).toBe('https:http:ssh:file');
  });

  it('hold the credentials, for the one address', () => {
    const text = gitSettings(parseRepository('https://me:pass@git.example.com/x'), '/h');
    expect(text).toContain('[http "https://git.example.com/x"]\n\textraHeader = "Authorization: Basic bWU6cGFzcw=="');
    expect(text).toContain('url = "https://git.example.com/x"');
  });

  it('cannot be left by a path with quotes', () => {
    expect(gitSettings(parseRepository('/srv/a"]\\b'), '/h')).toContain('url = "/srv/a\\"]\\\\b"');
  });
});

describe('git’s own last word', () => {
  it.each([
    ['warning: x\nfatal: unable to access: refused\nhint', 'fatal: unable to access: refused'],
    ['ssh: connect to host x port 22: Connection refused\r\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n', 'ssh: connect to host x port 22: Connection refused'],
    ['error: one\nerror: two\n', 'error: two'],
    ['', undefined],
  ])('of %j is %j', (said, sentence) => {
    expect(lastSentence(said)).toBe(sentence);
  });
});
