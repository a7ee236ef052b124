import { describe, expect, it } from 'vitest';
import { readScenario } from './load-scenario.ts';

const GOOD = `name: tiny
description: a test
load:
  rates: [100]
`;

describe('readScenario', () => {
  it('fills in the defaults', () => {
    const { scenario } = readScenario(GOOD, 'tiny.yaml');
    expect(scenario.protocols).toEqual(['raft', 'multi-paxos', 'zab']);
    expect(scenario.load?.mode).toBe('open');
    expect(scenario.electionTimeout).toEqual([150, 300]);
  });

  const bad: { title: string; text: string; message: RegExp }[] = [
    {
      title: 'a misspelt key',
      text: `${GOOD}  raets: [5]\n`,
      message: /^tiny\.yaml:5: load: unknown key "raets"; allowed: mode, arrival, rates/,
    },
    {
      title: 'a misspelt key at the top',
      text: `${GOOD}nodez: 3\n`,
      message: /^tiny\.yaml:5: unknown key "nodez"; allowed: name, description/,
    },
    {
      title: 'a negative rate',
      text: 'name: tiny\ndescription: x\nload:\n  rates: [100, -5]\n',
      message: /^tiny\.yaml:4: load\.rates\.1: .*>0/,
    },
    {
      title: 'an unknown protocol',
      text: 'name: tiny\ndescription: x\nprotocols: [raft, viewstamped]\n',
      message: /^tiny\.yaml:3: protocols\.1: .*"raft"\|"multi-paxos"\|"zab"\|"none"/,
    },
    {
      title: 'a bad duration',
      text: 'name: tiny\ndescription: x\nheartbeat: soon\n',
      message: /^tiny\.yaml:3: heartbeat: a time span is written 150ms, 3s or 2m/,
    },
    {
      title: 'a fault of two kinds',
      text: [
        'name: tiny',
        'description: x',
        'faults:',
        '  - { at: 1s, kill: leader, pause: leader }',
      ].join('\n'),
      message: /^tiny\.yaml:4: faults\.0: names kill and pause; allowed: one of kill/,
    },
    {
      title: 'an unknown role',
      text: ['name: tiny', 'description: x', 'faults:', '  - { at: 1s, kill: boss }'].join('\n'),
      message: /^tiny\.yaml:4: faults\.0\.kill: .*allowed: leader/,
    },
    { title: 'broken YAML', text: 'name: [\n', message: /^tiny\.yaml:\d+: / },
  ];
  it.each(bad)('refuses $title with its line', ({ text, message }) => {
    expect(() => readScenario(text, 'tiny.yaml')).toThrow(message);
  });
});
