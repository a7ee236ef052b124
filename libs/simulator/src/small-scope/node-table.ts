import type { NodeId } from '@quorate/consensus';
import { required } from '@quorate/foundation';
import { type Effects, type NodeView, SmallNode, type SmallNodeOptions } from './small-node.ts';

/** What a step leads to. */
export interface Step {
  readonly next: number;
  readonly effects: Effects;
  /** What the engine threw; null as it should be. */
  readonly thrown: string | null;
}

interface KnownState {
  readonly view: NodeView;
  /** The shortest known way here: the state before and the step from it. */
  readonly before: number;
  readonly action: string;
  readonly steps: Map<string, Step>;
}

/**
 * The states that one replica can be in, each stepped once. A replica's next state depends on its
 * own state and input alone, so the states of the whole cluster (millions) are combinations of
 * these (thousands), and exploring them costs a look-up each. Engines cannot be copied: a state is
 * reached again by repeating the inputs that led to it.
 */
export class NodeTable<M> {
  private readonly id: NodeId;
  private readonly options: SmallNodeOptions<M>;
  private readonly states: KnownState[] = [];
  private readonly byDigest = new Map<string, number>();
  /** A live replica and the state that it is in, to spare repetitions on the way down. */
  private live: { readonly node: SmallNode<M>; state: number } | null = null;

  constructor(id: NodeId, options: SmallNodeOptions<M>) {
    this.id = id;
    this.options = options;
  }

  /** How many states are known. */
  get size(): number {
    return this.states.length;
  }

  /** The state of a replica that was never started. */
  initial(): number {
    const node = new SmallNode(this.id, this.options);
    return this.known(node.view(), -1, '');
  }

  view(state: number): NodeView {
    return this.at(state).view;
  }

  /** Where a step leads from a state. */
  step(state: number, action: string): Step {
    const { steps } = this.at(state);
    const before = steps.get(action);
    if (before !== undefined) return before;
    const made = this.make(state, action);
    steps.set(action, made);
    return made;
  }

  private make(state: number, action: string): Step {
    const node = this.live?.state === state ? this.live.node : this.replay(state);
    this.live = null;
    try {
      const effects = node.perform(action);
      const next = this.known(node.view(), state, action);
      this.live = { node, state: next };
      return { next, effects, thrown: null };
    } catch (error) {
      return { next: state, effects: { sent: [], resets: [] }, thrown: String(error) };
    }
  }

  private replay(state: number): SmallNode<M> {
    const actions: string[] = [];
    for (let at = state; this.at(at).before >= 0; at = this.at(at).before) {
      actions.push(this.at(at).action);
    }
    const node = new SmallNode(this.id, this.options);
    for (const action of actions.reverse()) node.perform(action);
    return node;
  }

  private known(view: NodeView, before: number, action: string): number {
    const found = this.byDigest.get(view.digest);
    if (found !== undefined) return found;
    const number = this.states.length;
    this.states.push({ view, before, action, steps: new Map() });
    this.byDigest.set(view.digest, number);
    return number;
  }

  private at(state: number): KnownState {
    return required(this.states[state], 'a known state');
  }
}
