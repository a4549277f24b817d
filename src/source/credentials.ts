import { readFileSync } from 'node:fs';
import { AppError } from '../domain/errors.js';
import type { GitCredentials } from '../domain/project.js';
import type { Repository } from './repository.js';

/** What servers take as the user beside an access token, unless the address names one. */
const TOKEN_USER = 'git';

/**
 * Adds a project's credentials to its address. The token goes into git's configuration file as a header, never into
 * an argument; it is read here, so that a new one counts from the next start.
 *
 * @throws AppError `invalid_request` when a file cannot be read or does not fit the address
 */
export function withCredentials(repository: Repository, { tokenFile, sshKey, knownHosts }: GitCredentials): Repository {
  const isHttp = /^https?:/.test(repository.address);
  if (tokenFile !== null && !isHttp) throw new AppError('invalid_request', 'git.tokenFile is for https addresses; give git.sshKey for ssh.');
  if ((sshKey !== null || knownHosts !== null) && (isHttp || repository.path !== null)) throw new AppError('invalid_request', 'git.sshKey and git.knownHosts are for ssh addresses; give git.tokenFile for https.');
  const ssh = { ...repository, sshOptions: [sshKey === null ? '' : ` -oIdentitiesOnly=yes -i ${quote(sshKey)}`, knownHosts === null ? '' : ` -oUserKnownHostsFile=${quote(knownHosts)}`].join('') };
  return tokenFile === null ? ssh : withToken(ssh, readToken(tokenFile));
}

function withToken(repository: Repository, token: string): Repository {
  const encoded = Buffer.from(`${TOKEN_USER}:${token}`).toString('base64');
  return {
    ...repository, authorization: `Authorization: Basic ${encoded}`,
    redact: (said) => repository.redact(said).replaceAll(encoded, '***').replaceAll(token, '***'),
  };
}

function readToken(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new AppError('invalid_request', `git.tokenFile cannot be read: ${file}.`, { cause });
  }
  if (token === '' || /\s/.test(token)) throw new AppError('invalid_request', `git.tokenFile must hold one token and nothing else: ${file}.`);
  return token;
}

const quote = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`;
