import type { Protocol, Variants } from '@quorate/consensus';

/** How large a scope is, and what else the protocol in it promises. */
export interface ScopeOptions<M> {
  readonly protocol: Protocol<M>;
  /** 2 or 3 replicas; all are voters. */
  readonly nodes: number;
  /** Commands proposed in all, each once, at any replica that serves. */
  readonly commands: number;
  /** Crashes in all; a crashed replica may start again at any time. */
  readonly crashes: number;
  /** Deadlines that fire in all, at any replica: elections, heartbeats, repetitions. */
  readonly timeouts: number;
  /** Distinct states after which the exploration ends without having seen all. */
  readonly statesMax: number;
  readonly variants: Variants;
  /** True where a round has at most one leader, over the whole run. */
  readonly leaderPerRound: boolean;
  /** Called now and then with the number of distinct states found. */
  readonly progress?: (states: number) => void;
}

/** What broke, and the steps that lead there. */
export interface ScopeViolation {
  /** The invariant's name in the safety net; `exception` for what an engine throws. */
  readonly invariant: string;
  readonly message: string;
  readonly steps: readonly string[];
}

/** What an exploration found. */
export interface ScopeResult {
  /** Distinct states of the cluster, network included. */
  readonly states: number;
  readonly transitions: number;
  /** Distinct states of single replicas, of which the others are combinations. */
  readonly nodeStates: number;
  /** The steps of the longest way that was gone. */
  readonly depth: number;
  /** True when every state of the scope was seen. */
  readonly exhausted: boolean;
  readonly violation: ScopeViolation | null;
}

/** One state of the cluster, with the way that led to it. */
export interface World {
  /** The state of each replica, by its position. */
  readonly locals: readonly number[];
  /** Packet numbers on their way: sorted, or in order within each pair where order counts. */
  readonly packets: readonly number[];
  /** One bit a pair with a session, where the protocol needs sessions. */
  readonly sessions: number;
  readonly timeoutsLeft: number;
  readonly crashesLeft: number;
  readonly commandsLeft: number;
  /** What was ever committed, and who ever led: the ghost, as a text. */
  readonly committed: readonly string[];
  readonly leaders: string;
  readonly before: World | null;
  /** The step that led here; its text is made only when somebody reads it. */
  readonly node: number;
  readonly step: string | (() => string);
  readonly depth: number;
}

/** Equal for equal states, however they were reached. */
export function keyOf(world: World): string {
  const { locals, packets, sessions, timeoutsLeft, crashesLeft, commandsLeft } = world;
  const budgets = `${timeoutsLeft}.${crashesLeft}.${commandsLeft}.${sessions}`;
  return `${locals.join()};${packets.join()};${budgets};${world.committed.join()};${world.leaders}`;
}

/** The steps that lead to a state, first to last. */
export function stepsTo(world: World): string[] {
  const steps: string[] = [];
  for (let at: World | null = world; at !== null; at = at.before) {
    const text = typeof at.step === 'string' ? at.step : at.step();
    if (text !== '') steps.push(`${at.node} ${text}`);
  }
  return steps.reverse();
}
