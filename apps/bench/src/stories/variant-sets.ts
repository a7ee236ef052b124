import { required } from '@quorate/foundation';
import { protocolNamed } from '@quorate/kv-server';
import type { Scenario, Story } from '../scenario/schema.ts';

/** One thing that a story compares: a protocol with variants and timing. Times in milliseconds. */
export interface StorySet {
  readonly name: string;
  readonly protocol: string;
  readonly variants: Readonly<Record<string, boolean | number | string>>;
  readonly timing: string | null;
  /** At most so many trials, where the timing says so. */
  readonly trialsMax: number | null;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: readonly [number, number];
  readonly linkDelayMs: readonly [number, number];
}

/** The values, beside true and false, that a variant may have and that change who leads when. */
const CHOICES: Readonly<Record<string, readonly (number | string)[]>> = {
  'multi-paxos.electionRule': ['timeout', 'ranked'],
  'zab.finalizeWaitMicros': [20_000, 200_000],
};

type Named = Pick<StorySet, 'name' | 'protocol' | 'variants'>;

/**
 * Every combination of a protocol's variants that bears on elections, plainest first. The name says
 * what is switched on: `raft plain`, `raft preVote+checkQuorum`, `multi-paxos ranked`.
 */
export function everyVariant(protocol: string): Named[] {
  const { variants } = required(protocolNamed(protocol), protocol);
  let sets: { words: string[]; variants: Record<string, boolean | number | string> }[] = [
    { words: [], variants: {} },
  ];
  for (const [name, usual] of Object.entries(variants)) {
    const choices = CHOICES[`${protocol}.${name}`];
    const isSwitch = typeof usual === 'boolean' && name !== 'noopAtBroadcastStart';
    const values = choices ?? (isSwitch ? [false, true] : []);
    if (values.length === 0) continue;
    sets = values.flatMap((value, place) =>
      sets.map((set) => ({
        words: place === 0 ? set.words : [...set.words, wordOf(name, value)],
        variants: { ...set.variants, [name]: value },
      })),
    );
  }
  return sets.map((set) => ({
    name: `${protocol} ${set.words.length === 0 ? 'plain' : set.words.join('+')}`,
    protocol,
    variants: set.variants,
  }));
}

function wordOf(name: string, value: boolean | number | string): string {
  if (typeof value === 'boolean') return name;
  return typeof value === 'string' ? value : `${name}=${value}`;
}

/** What a story compares, in order: its sets, each under each of its timings. */
export function setsOf(scenario: Scenario, story: Story): StorySet[] {
  const named = namedSets(scenario, story);
  const timings = story.timings ?? [null];
  return named.flatMap((set) =>
    timings.map((timing) => ({
      name: timing === null ? set.name : `${set.name} ${timing.name}`,
      protocol: set.protocol,
      variants: set.variants,
      timing: timing?.name ?? null,
      trialsMax: timing?.trials ?? null,
      heartbeatMs: timing?.heartbeat ?? set.heartbeat ?? scenario.heartbeat,
      electionTimeoutMs: timing?.electionTimeout ?? set.electionTimeout ?? scenario.electionTimeout,
      linkDelayMs: timing?.linkDelay ?? set.linkDelay ?? story.linkDelay,
    })),
  );
}

type GivenSet = Exclude<Story['sets'], string>[number];

function namedSets(scenario: Scenario, { sets }: Story): readonly (Named & Partial<GivenSet>)[] {
  const protocols = scenario.protocols.filter((name) => name !== 'none');
  if (sets === 'every-variant') return protocols.flatMap(everyVariant);
  if (sets !== 'defaults') {
    return sets.filter(({ protocol }) => protocols.some((one) => one === protocol));
  }
  return protocols.map((protocol) => ({
    name: protocol,
    protocol,
    variants: scenario.variants[protocol] ?? {},
  }));
}
