import type { Member, MembershipView, NodeId } from '@quorate/consensus';

/** All members of the memberships in force, each once, sorted by id. */
export function membersOf(view: MembershipView): Member[] {
  const members = new Map<NodeId, Member>();
  for (const membership of [view.joint, view.current]) {
    if (membership === null) continue;
    const { voters, learners, witnesses } = membership;
    for (const member of [...voters, ...learners, ...witnesses]) members.set(member.id, member);
  }
  return [...members.values()].sort((a, b) => a.id - b.id);
}
