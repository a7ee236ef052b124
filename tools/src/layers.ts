/** The layers of the house, from the ground up; the tag `layer:<name>` in each `package.json`. */
export type Layer =
  | 'foundation'
  | 'contract'
  | 'support'
  | 'engine'
  | 'machine'
  | 'io'
  | 'runtime'
  | 'client'
  | 'measure'
  | 'testing'
  | 'app';

/** What a project may import: layers, or single projects where the layer is too wide. */
export interface ImportRule {
  readonly layer: Layer;
  readonly layersAllowed: readonly Layer[];
  /** Projects allowed beside the layers, each for a reason that stands in ARCHITECTURE.md. */
  readonly projectsAllowed: readonly string[];
  /** True where npm packages and `node:*` are banned: engines, machine, and what they stand on. */
  readonly pure: boolean;
}

const rule = (
  layer: Layer,
  layersAllowed: readonly Layer[],
  options: { readonly projects?: readonly string[]; readonly pure?: boolean } = {},
): ImportRule => ({
  layer,
  layersAllowed,
  projectsAllowed: options.projects ?? [],
  pure: options.pure ?? false,
});

const engine = rule('engine', ['contract', 'support', 'foundation'], { pure: true });
const io = rule('io', ['contract', 'foundation']);
const measure = rule('measure', ['foundation']);

/** Who may import whom: the table of ARCHITECTURE.md, one row a project. */
export const IMPORT_RULES: Readonly<Record<string, ImportRule>> = {
  foundation: rule('foundation', [], { pure: true }),
  consensus: rule('contract', ['foundation'], { pure: true }),
  quorum: rule('support', ['contract', 'foundation'], { pure: true }),
  raft: engine,
  'multi-paxos': engine,
  zab: engine,
  unreplicated: engine,
  kv: rule('machine', ['contract', 'foundation'], { pure: true }),
  wal: io,
  'snapshot-store': io,
  transport: io,
  replica: rule('runtime', ['contract', 'io', 'foundation']),
  client: rule('client', ['contract', 'machine', 'io', 'foundation']),
  workload: measure,
  report: measure,
  linearizability: measure,
  faults: measure,
  cluster: rule('runtime', ['contract', 'io', 'client', 'foundation'], {
    projects: ['replica', 'faults'],
  }),
  simulator: rule('testing', [
    'contract',
    'support',
    'runtime',
    'io',
    'client',
    'machine',
    'measure',
    'foundation',
  ]),
  'protocol-rules': rule('testing', ['contract', 'support', 'engine', 'foundation'], {
    projects: ['simulator'],
  }),
  'engine-testkit': rule('testing', ['contract', 'foundation'], { projects: ['simulator'] }),
  'kv-server': rule('app', [
    'foundation',
    'contract',
    'support',
    'engine',
    'machine',
    'io',
    'runtime',
    'client',
    'measure',
  ]),
  bench: rule('app', [
    'foundation',
    'contract',
    'support',
    'engine',
    'machine',
    'io',
    'runtime',
    'client',
    'measure',
    'testing',
    'app',
  ]),
};
