declare const brand: unique symbol;
type Branded<B extends string> = number & { readonly [brand]: B };

/** One replica for ever: a small positive integer, never given to another replica. */
export type NodeId = Branded<'NodeId'>;
/** A dense 1-based position: Raft index, Paxos slot, ordinal in a ZAB history. 0 is "none". */
export type LogIndex = Branded<'LogIndex'>;
/** A leadership period: Raft term, Paxos ballot round, ZAB epoch. 0 is "none". */
export type Round = Branded<'Round'>;
/** Monotonic time in whole microseconds, given by the host. */
export type Instant = Branded<'Instant'>;
/** The position of a Ready in this incarnation's output, from 1; also the clock of durability. */
export type ReadyNumber = Branded<'ReadyNumber'>;
/** The host's name for one local request; 0 means "not requested here". */
export type Ticket = Branded<'Ticket'>;

/** Names a plain number a node id. The caller has checked that it is a positive safe integer. */
export const nodeId = (value: number): NodeId => value as NodeId;
/** Names a plain number a log index. */
export const logIndex = (value: number): LogIndex => value as LogIndex;
/** Names a plain number a round. */
export const round = (value: number): Round => value as Round;
/** Names a plain number of microseconds an instant. */
export const instant = (value: number): Instant => value as Instant;
/** Names a plain number a Ready number. */
export const readyNumber = (value: number): ReadyNumber => value as ReadyNumber;
/** Names a plain number a ticket. */
export const ticket = (value: number): Ticket => value as Ticket;

/** The ticket of everything that was not requested at this replica. */
export const NO_TICKET: Ticket = ticket(0);
/** The index before the first entry. */
export const NO_INDEX: LogIndex = logIndex(0);
