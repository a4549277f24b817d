import { formatAddress } from './address.js';
import type { Deadlines, EngineClient } from './client.js';
import type { EngineDescription } from './port.js';

/** What is worth knowing of an engine; asked once for each time it is found. */
export interface EngineFacts {
  readonly description: EngineDescription;
  /** True where containers live in a virtual machine whose addresses cannot be dialled. */
  readonly desktop: boolean;
}

/** The parts of the engine's own answers that are read here; each may be missing. */
export interface EngineAnswers {
  readonly version: { readonly Version?: string; readonly ApiVersion?: string; readonly Os?: string; readonly Components?: readonly { readonly Name: string; readonly Version: string; readonly Details?: { readonly GitCommit?: string } }[] };
  readonly info: { readonly Driver?: string; readonly DockerRootDir?: string; readonly OperatingSystem?: string; readonly OSType?: string; readonly SecurityOptions?: readonly string[] | null; readonly MemoryLimit?: boolean; readonly SwapLimit?: boolean; readonly PidsLimit?: boolean };
}

export interface FactsReader {
  /** Asks anew. */
  readonly describe: () => Promise<EngineDescription>;
  /** What was answered last, while the engine was not lost since. */
  readonly current: () => Promise<EngineFacts>;
}

export function createFactsReader({ client, deadlines }: { client: EngineClient; deadlines: Deadlines }): FactsReader {
  let last: { address: string; facts: EngineFacts } | undefined;
  const foundAt = () => { const address = client.address(); return address && formatAddress(address); };

  const ask = async (): Promise<EngineFacts> => {
    const answers = await client.call({
      what: 'say who it is', ms: deadlines.describe, again: true,
      run: async (docker): Promise<EngineAnswers> => {
        const [version, info] = await Promise.all([docker.version(), docker.info() as Promise<EngineAnswers['info']>]);
        return { version, info };
      },
    });
    const address = foundAt() ?? '';
    const facts = readFacts(answers, address);
    last = { address, facts };
    return facts;
  };

  return {
    describe: async () => (await ask()).description,
    current: async () => (last !== undefined && last.address === foundAt() ? last.facts : await ask()),
  };
}

/** Judges an engine's answers; pure. */
export function readFacts(answers: EngineAnswers, address: string): EngineFacts {
  const { version, info } = answers;
  const apiVersion = version.ApiVersion ?? '1.24';
  const builder = isAtLeast(apiVersion, [1, 39]) && (info.OSType ?? version.Os) === 'linux' ? 'buildkit' : 'classic';
  return {
    description: { version: version.Version ?? 'unknown', apiVersion, builder, address, warnings: warningsOf(answers, builder), storageDriver: info.Driver ?? 'unknown', rootDir: address.startsWith('unix:') ? info.DockerRootDir ?? null : null },
    desktop: /docker desktop/i.test(info.OperatingSystem ?? ''),
  };
}

function warningsOf({ version, info }: EngineAnswers, builder: EngineDescription['builder']): readonly string[] {
  const security = (info.SecurityOptions ?? []).join(' ');
  const runc = version.Components?.find(({ Name }) => Name === 'runc');
  const cases: readonly (readonly [boolean, string])[] = [
    [info.MemoryLimit === false, 'Memory limits of previews are not enforced: the engine has no support for them.'],
    [info.SwapLimit === false, 'Previews may swap: the engine cannot limit swap.'],
    [info.PidsLimit === false, 'The number of a preview’s processes is not limited: the engine has no support for it.'],
    [!security.includes('seccomp'), 'System calls of previews are not filtered: the engine runs without seccomp.'],
    [!/apparmor|selinux/.test(security), 'Previews are not confined by AppArmor or SELinux.'],
    [!/rootless|userns/.test(security), 'Root in a preview is root of the engine’s machine, without capabilities: user namespaces are off.'],
    [builder === 'buildkit', 'BuildKit ignores memory and processor limits: a build may use the whole machine.'],
    [runc !== undefined && isOldRunc(runc), `runc ${runc?.Version ?? ''} is older than 1.1.12 and lets a build read the machine’s files (CVE-2024-21626): update it.`],
  ];
  return cases.filter(([applies]) => applies).map(([, sentence]) => sentence);
}

/** Distributions fix old versions; their version says so with a suffix of its own. */
function isOldRunc({ Version, Details }: { readonly Version: string; readonly Details?: { readonly GitCommit?: string } }): boolean {
  if (/deb|ubuntu|\.el\d|\.fc\d/.test(`${Version} ${Details?.GitCommit ?? ''}`)) return false;
  return /^\d+\.\d+\.\d+/.test(Version) && !isAtLeast(Version, [1, 1, 12]);
}

function isAtLeast(version: string, wanted: readonly number[]): boolean {
  const parts = version.split(/[.+~-]/).map(Number);
  const at = wanted.findIndex((number, index) => (parts[index] ?? 0) !== number);
  return at < 0 || (parts[at] ?? 0) > (wanted[at] ?? 0);
}
