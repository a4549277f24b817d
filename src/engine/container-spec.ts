import type Docker from 'dockerode';
import type { InstanceId } from '../domain/ids.js';
import { containerLabels } from './labels.js';
import type { ContainerOwner, ContainerSpec } from './port.js';

const MIB = 1024 * 1024;
/** What a usual image needs to start as root and step down; everything else is dropped, NET_RAW with it. */
const COMPAT_CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETUID', 'SETGID', 'KILL'];
const STRICT_TMPFS = { '/tmp': 'rw,exec,nosuid,nodev,size=128m,mode=1777', '/run': 'rw,nosuid,nodev,size=16m' };
const STRICT_USER = '65532';

export interface Placement {
  readonly instance: InstanceId;
  readonly network: string;
  /** True where container addresses cannot be dialled: the port then appears on 127.0.0.1, and nowhere else. */
  readonly publish: boolean;
}

/** The one name a release's container has. Neither a project nor a process has a dot in its name, so that no two names meet. */
export function containerName(instance: InstanceId, owner: Pick<ContainerOwner, 'project' | 'release' | 'process'>): string {
  return `slipway-${instance}-${owner.project}-${owner.release}${owner.process === null ? '' : `.${owner.process}`}`;
}

/** Everything a container gets, in the engine's own terms; pure. The safe defaults are literals, so that no setting can reach them. */
export function createOptions(spec: ContainerSpec, { instance, network, publish }: Placement): Docker.ContainerCreateOptions {
  const port = `${spec.port}/tcp`;
  const isDialled = spec.process === null;
  return {
    name: containerName(instance, spec),
    Image: spec.image,
    ...(spec.command === null ? {} : { Cmd: [...spec.command] }),
    Hostname: 'preview',
    ...(spec.profile === 'strict' ? { User: STRICT_USER } : {}),
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    ExposedPorts: isDialled ? { [port]: {} } : {},
    StopSignal: 'SIGTERM',
    StopTimeout: graceSeconds(spec.stopTimeoutMs),
    Healthcheck: { Test: ['NONE'] },
    AttachStdin: false, AttachStdout: false, AttachStderr: false, OpenStdin: false, Tty: false,
    Labels: { ...containerLabels(instance, spec) },
    HostConfig: {
      ...limits(spec),
      ...privileges(spec),
      ...nothingOfTheHost(),
      NetworkMode: network,
      PortBindings: publish && isDialled ? { [port]: [{ HostIp: '127.0.0.1', HostPort: '' }] } : {},
    },
  };
}

/** Whole seconds, the engine's unit, never less than asked for. */
export const graceSeconds = (ms: number): number => Math.ceil(Math.max(0, ms) / 1000);

function limits(spec: ContainerSpec): Docker.HostConfig {
  return {
    Memory: spec.memoryBytes,
    MemorySwap: spec.memoryBytes,
    MemoryReservation: Math.min(128 * MIB, spec.memoryBytes),
    NanoCpus: Math.round(spec.cpus * 1e9),
    CpuShares: 512,
    PidsLimit: spec.pids,
    OomScoreAdj: 500,
    Ulimits: [{ Name: 'nofile', Soft: 4096, Hard: 8192 }, { Name: 'core', Soft: 0, Hard: 0 }],
    ShmSize: 64 * MIB,
    LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2', mode: 'non-blocking', 'max-buffer-size': '2m' } },
  };
}

function privileges({ profile }: ContainerSpec): Docker.HostConfig {
  const strict = profile === 'strict';
  return {
    Init: true,
    Privileged: false,
    CapDrop: ['ALL'],
    CapAdd: strict ? [] : COMPAT_CAPABILITIES,
    SecurityOpt: ['no-new-privileges:true'],
    ReadonlyRootfs: strict,
    Tmpfs: strict ? STRICT_TMPFS : {},
  };
}

/** Nothing here depends on the specification: what is shared with the host is nobody's to ask for. */
function nothingOfTheHost(): Docker.HostConfig & { readonly Mounts: []; readonly CgroupnsMode: string } {
  return {
    PublishAllPorts: false,
    Binds: [], Mounts: [], VolumesFrom: [], Devices: [], DeviceRequests: [], ExtraHosts: [], Links: [],
    PidMode: '', IpcMode: 'private', UTSMode: '', UsernsMode: '', CgroupnsMode: 'private',
    RestartPolicy: { Name: 'no' },
    AutoRemove: false,
  };
}
