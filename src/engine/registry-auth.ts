import { readFile } from 'node:fs/promises';
import { DOCKER_HUB, registryName, registryOf, type RegistryAccount } from '../domain/registry.js';
import { errorCode } from '../kernel/error-code.js';

export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** The credentials of private registries: read from their files at each use, so that a password can be changed at any time. */
export interface RegistryAuth {
  /** The registries that have any. */
  readonly registries: readonly string[];
  /** By any of a registry's names. @returns undefined when it has none, or they cannot be read */
  credentials(registry: string): Promise<RegistryCredentials | undefined>;
  /** The sentence about a registry that let nobody in, as far as it is known which: the key of the configuration to look at, and the engine's own words. */
  refusal(registry: string | undefined, words: string): Promise<string>;
  /** Takes every password that was given out, and what registries are sent of it, out of a text of the engine's. */
  mask(text: string): string;
}

/** Passwords of one registry: what an engine says of the last one may come when there is a new one. */
const REMEMBERED = 3;

/** @param accounts by the registry's name */
export function createRegistryAuth(accounts: ReadonlyMap<string, RegistryAccount>): RegistryAuth {
  const given = new Map<string, readonly RegistryCredentials[]>();

  const remember = (registry: string, credentials: RegistryCredentials): void => {
    const others = (given.get(registry) ?? []).filter(({ password }) => password !== credentials.password);
    given.set(registry, [credentials, ...others].slice(0, REMEMBERED));
  };

  /** @throws what the file system says */
  const read = async ({ username, passwordFile }: RegistryAccount): Promise<RegistryCredentials> =>
    ({ username, password: (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '') });

  const faultOf = (account: RegistryAccount): Promise<string | undefined> => read(account).then(
    ({ password }) => (password === '' ? 'is empty' : undefined),
    (error: unknown) => `cannot be read (${errorCode(error)})`,
  );

  return {
    registries: [...accounts.keys()],
    credentials: async (registry) => {
      const name = registryName(registry);
      const account = accounts.get(name);
      const credentials = account && await read(account).catch(() => undefined);
      if (!credentials || credentials.password === '') return undefined;
      remember(name, credentials);
      return credentials;
    },
    refusal: async (registry, words) => {
      if (registry === undefined) return `its registry does not let us in; look at its key under registries in the configuration (${words}).`;
      const name = registryName(registry);
      const [account, key] = [accounts.get(name), `registries.${name}`];
      if (!account) return `${name} wants a username and a password, and the configuration has none: there is no ${key} (${words}).`;
      const fault = await faultOf(account);
      if (fault !== undefined) return `${name} wants a password, and the passwordFile of ${key} ${fault} (${words}).`;
      return `${name} does not let us in with the username and password of ${key} (${words}).`;
    },
    mask: (text) => [...given.values()].flat().flatMap(formsOf).sort((a, b) => b.length - a.length).reduce((masked, secret) => masked.replaceAll(secret, '***'), text),
  };
}

/** Nobody's. */
export const NO_REGISTRIES = createRegistryAuth(new Map());

/** The password as it is, as a URL and as JSON have it, and in base64 alone, behind the username and in the engine's headers. */
function formsOf(credentials: RegistryCredentials): readonly string[] {
  const { username, password } = credentials;
  const encoded = [password, `${username}:${password}`].map((text) => Buffer.from(text).toString('base64'));
  const all = [...encoded, ...encoded.map((text) => text.replace(/=+$/, ''))];
  return [password, encodeURIComponent(password), JSON.stringify(password).slice(1, -1), ...all, ...all.map(inUrls)];
}

/** The engine reads base64 in the alphabet for URLs only; docker-modem would write the other one. */
const headerOf = (value: unknown) => ({ base64: inUrls(Buffer.from(JSON.stringify(value)).toString('base64')) });
const inUrls = (base64: string): string => base64.replaceAll('+', '-').replaceAll('/', '_');

/** Docker's own registry is known by the address that it had in the beginning. */
const addressOf = (registry: string): string => (registryName(registry) === DOCKER_HUB ? 'https://index.docker.io/v1/' : registry);

/** What a pull from the registry takes along. @see https://docs.docker.com/reference/api/engine/version/v1.41/#section/Authentication */
export async function authorizePull(auth: RegistryAuth, registry: string): Promise<{ readonly authconfig?: { readonly base64: string } }> {
  const credentials = await auth.credentials(registry);
  return credentials ? { authconfig: headerOf({ ...credentials, serveraddress: addressOf(registry) }) } : {};
}

/** What a build of the classic builder takes along: the engine cannot ask for more, and gives each registry its own only. BuildKit ignores it. */
export async function authorizeBuild(auth: RegistryAuth): Promise<{ readonly registryconfig?: { readonly base64: string } }> {
  const entries = await Promise.all(auth.registries.map(async (registry) => {
    const credentials = await auth.credentials(registry);
    return credentials ? [[addressOf(registry), { ...credentials, serveraddress: addressOf(registry) }] as const] : [];
  }));
  return entries.flat().length === 0 ? {} : { registryconfig: headerOf(Object.fromEntries(entries.flat())) };
}

const UNCLEAR = /repository does not exist or may require/i;
const REFUSED = /\b401 Unauthorized|\b403 Forbidden|unauthorized: |authentication required|no basic auth credentials|(?:^|: )denied\b/i;

/** Whether the engine says that a registry wants other credentials; it does so in words only. */
export const isRefusal = (words: string): boolean => REFUSED.test(words) && !UNCLEAR.test(words);

/** What to add to words that do not tell a private image from one that is not there; empty for all others. */
export const ifPrivate = (words: string, registry: string): string => (UNCLEAR.test(words) ? ` If it is private, look at registries.${registry} in the configuration.` : '');

/** The registry that refused: the one that was asked, which may be a mirror; undefined where neither the words nor the image tell. */
export function refusingRegistry(words: string, image: string): string | undefined {
  const asked = /\bpulling from host (\S+) failed/.exec(words)?.[1] ?? /\bhttps?:\/\/([^/\s"]+)\/v2\//.exec(words)?.[1];
  if (asked !== undefined) return registryName(asked);
  // The classic builder tells of a step before it puts the build's arguments in.
  return image.includes('$') ? undefined : registryOf(image);
}
