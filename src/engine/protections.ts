import type { InstanceId } from '../domain/ids.js';
import type { Deadlines, EngineClient } from './client.js';
import { LABEL } from './labels.js';
import type { Protection } from './port.js';

/** The parts of the engine's own answers that are judged; each may be missing. */
export interface ProtectionFacts {
  readonly info: {
    readonly SecurityOptions?: readonly string[] | null; readonly MemoryLimit?: boolean; readonly SwapLimit?: boolean; readonly PidsLimit?: boolean;
    /** Older engines write it in the second way. */
    readonly CpuCfsQuota?: boolean; readonly CPUCfsQuota?: boolean;
  };
  /** This server's networks. */
  readonly networks: readonly { readonly Name: string; readonly Options?: Readonly<Record<string, string>> | null | undefined }[];
  /** This server's containers that run. */
  readonly containers: readonly { readonly Names: readonly string[]; readonly Ports?: readonly { readonly IP?: string | undefined; readonly PublicPort?: number | undefined }[] | null | undefined }[];
}

const NO_ICC = 'com.docker.network.bridge.enable_icc';
const LOOPBACK = /^(?:127\.|::1$)/;

/** Asks the engine what holds now, not what was asked of it. */
export function createProtections({ client, instance, deadlines }: { client: EngineClient; instance: InstanceId; deadlines: Deadlines }): () => Promise<readonly Protection[]> {
  const filters = { label: [`${LABEL.instance}=${instance}`] };
  return async () => readProtections(await client.call({
    what: 'say what it protects', ms: deadlines.read, again: true,
    run: async (docker): Promise<ProtectionFacts> => {
      const [info, networks, containers] = await Promise.all([docker.info() as Promise<ProtectionFacts['info']>, docker.listNetworks({ filters }), docker.listContainers({ filters })]);
      return { info, networks, containers };
    },
  }));
}

/** Judges an engine's answers; pure. */
export function readProtections({ info, networks, containers }: ProtectionFacts): readonly Protection[] {
  const security = (info.SecurityOptions ?? []).join(' ');
  const cpu = info.CpuCfsQuota ?? info.CPUCfsQuota;
  const limit = (name: string, known: boolean | undefined, what: string): Protection =>
    ({ name, holds: known ?? null, detail: known === undefined ? 'The engine does not say.' : known ? `${what} is limited.` : `The engine cannot limit it: ${what.toLowerCase()} is unlimited.` });
  return [
    limit('Memory of previews', info.MemoryLimit, 'Memory'),
    limit('Swap of previews', info.SwapLimit, 'Swap'),
    limit('Processors of previews', cpu, 'Processor time'),
    limit('Processes of previews', info.PidsLimit, 'Their number'),
    { name: 'Limits of builds', holds: false, detail: 'Builds have no limit of memory or processors: a build may use the whole machine.' },
    judge('seccomp', security.includes('seccomp'), ['System calls of previews are filtered.', 'The engine runs without seccomp: system calls of previews are not filtered.']),
    judge('AppArmor or SELinux', /apparmor|selinux/.test(security), ['Previews are confined.', 'The engine has neither: previews are not confined.']),
    judge('User namespaces', /rootless|userns/.test(security), ['Root in a preview is nobody on the machine.', 'They are off: root in a preview is root of the machine, without capabilities.']),
    trafficBetween(networks),
    publishedPorts(containers),
  ];
}

const judge = (name: string, holds: boolean, [good, bad]: readonly [string, string]): Protection => ({ name, holds, detail: holds ? good : bad });

function trafficBetween(networks: ProtectionFacts['networks']): Protection {
  const name = 'No traffic between previews';
  if (networks.length === 0) return { name, holds: null, detail: 'No network has been made yet.' };
  const open = networks.filter(({ Options }) => Options?.[NO_ICC] !== 'false').map(({ Name }) => Name);
  return judge(name, open.length === 0, [`It is off on ${networks.length === 1 ? 'the one network' : `all ${networks.length} networks`}.`, `It is allowed on ${open.join(', ')}.`]);
}

function publishedPorts(containers: ProtectionFacts['containers']): Protection {
  const name = 'No ports on the machine';
  const published = containers.flatMap(({ Names, Ports }) => (Ports ?? []).flatMap(({ IP = '', PublicPort }) => (PublicPort === undefined ? [] : [{ of: Names[0] ?? '', ip: IP, port: PublicPort }])));
  const open = published.filter(({ ip }) => !LOOPBACK.test(ip));
  if (open.length > 0) return { name, holds: false, detail: `Others can reach ${open.map(({ of, ip, port }) => `${of} on ${ip}:${port}`).join(', ')}.` };
  return { name, holds: true, detail: published.length === 0 ? 'None is published.' : `${published.length} published, on loopback only.` };
}
