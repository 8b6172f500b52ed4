/** The stages of a set-up: side by side, one line each, none twice, and a failure that names its log. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InstallError } from '../../scripts/host/steps.mjs';
import { createReport, duration, stageTable } from '../../scripts/stages/report.mjs';
import { runStages, type Stage } from '../../scripts/stages/runner.mjs';
import { createStamps } from '../../scripts/stages/stamps.mjs';

let root: string;
let written: string;
let done: string[];

const state = () => join(root, '.venv');
const stampOf = (name: string) => join(state(), 'stamps', name);

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

function stage(name: string, more: Partial<Stage> = {}): Stage {
  return {
    name,
    title: `The ${name}`,
    inputs: [`${name}.txt`],
    remedy: `Mend the ${name}.`,
    work: async () => void done.push(name),
    ...more,
  };
}

async function run(stages: Stage[], wanted = stages.map(({ name }) => name)): Promise<string[]> {
  done = [];
  written = '';
  const report = createReport({ write: (text) => (written += text) });
  await runStages(stages, wanted, { root, state: state(), report });
  return done;
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lmt-stages-'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('what is done', () => {
  it('does what a stage needs first, and each once', async () => {
    const stages = [
      stage('last', { needs: ['left', 'right'] }),
      stage('left', { after: ['first'] }),
      stage('right', { needs: ['first'] }),
      stage('first'),
    ];
    const order = await run(stages, ['last', 'right']);
    expect([...order].sort()).toEqual(['first', 'last', 'left', 'right']);
    expect(order[0]).toBe('first');
    expect(order[3]).toBe('last');
  });

  it('runs stages that do not need each other side by side', async () => {
    let met = (): void => undefined;
    const meeting = new Promise<void>((resolve) => (met = resolve));
    await run([stage('waits', { work: () => meeting }), stage('comes', { work: async () => met() })]);
  });

  it('does nothing a second time, until the content of an input changes', async () => {
    write('folder/a.txt', 'one');
    write('folder/__pycache__/a.pyc', 'one');
    const stages = [
      stage('built', { inputs: ['folder'] }),
      stage('packed', { needs: ['built'] }),
      stage('beside', { after: ['built'] }),
    ];
    expect(await run(stages)).toHaveLength(3);
    utimesSync(join(root, 'folder/a.txt'), new Date(), new Date(Date.now() + 60_000));
    write('folder/__pycache__/a.pyc', 'two');
    expect(await run(stages)).toEqual([]);
    expect(written).toBe('');
    write('folder/a.txt', 'two');
    expect(await run(stages)).toEqual(['built', 'packed']);
    write('folder/b.txt', 'new');
    expect(await run(stages)).toEqual(['built', 'packed']);
    rmSync(join(root, 'folder/b.txt'));
    expect(await run(stages)).toEqual(['built', 'packed']);
  });

  it('does it again when what it made is gone', async () => {
    write('made', '');
    const kept = join(root, 'kept elsewhere');
    writeFileSync(kept, '');
    const stages = [
      stage('one', { outputs: ['made'] }),
      stage('two', { work: async () => (done.push('two'), [kept]) }),
    ];
    expect(await run(stages)).toEqual(['one', 'two']);
    rmSync(join(root, 'made'));
    rmSync(kept);
    expect(await run(stages)).toEqual(['one', 'two']);
  });

  it('takes an installer as done that somebody vouches for with touch, until its inputs change', async () => {
    write('npm.txt', '1');
    const stages = [stage('npm', { isInstaller: true })];
    createStamps(root, join(state(), 'stamps'));
    writeFileSync(stampOf('npm'), '');
    expect(await run(stages)).toEqual([]);
    write('npm.txt', '2');
    utimesSync(join(root, 'npm.txt'), new Date(), new Date(Date.now() + 60_000));
    expect(await run(stages)).toEqual(['npm']);
  });

  it('reads of an input what counts', async () => {
    write('one.txt', 'counts, does not');
    const stages = [stage('one', { digest: (_, content) => content.split(',')[0] ?? '' })];
    expect(await run(stages)).toEqual(['one']);
    write('one.txt', 'counts, does still not');
    expect(await run(stages)).toEqual([]);
    write('one.txt', 'another, does not');
    expect(await run(stages)).toEqual(['one']);
  });

  it('remembers that it was killed in the middle', async () => {
    const stamps = createStamps(root, join(state(), 'stamps'));
    stamps.begin('one');
    expect(stamps.wasInterrupted('one')).toBe(true);
    expect(await run([stage('one')])).toEqual(['one']);
    expect(stamps.wasInterrupted('one')).toBe(false);
  });
});

describe('what a person reads', () => {
  it('is one line a stage with its time, and nothing of what its commands print', async () => {
    const noisy = stage('noisy', {
      work: ({ run }) => run(['sh', '-c', 'echo WARNING: Location is ignored; echo much >&2']),
    });
    await run([noisy, stage('quiet')]);
    expect(written.trimEnd().split('\n').sort()).toEqual([
      expect.stringMatching(/^The noisy … \d+\.\d s$/),
      expect.stringMatching(/^The quiet … \d+\.\d s$/),
    ]);
    expect(readFileSync(join(state(), 'logs', 'noisy.log'), 'utf8')).toMatch(/WARNING.*\n.*much/);
  });

  it('is, of a failure, the end of the log, where it lies, and the remedy; what needs it is not begun', async () => {
    const broken = stage('broken', { work: ({ run }) => run(['sh', '-c', 'seq 100; echo no such index; exit 3']) });
    const error = await run([broken, stage('needy', { after: ['broken'] })]).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(InstallError);
    const { message } = error as InstallError;
    expect(message).toContain('exit status 3');
    expect(message).toContain('no such index');
    expect(message).not.toContain('    50\n');
    expect(message).toContain(`The whole log: ${join(state(), 'logs', 'broken.log')}`);
    expect(message.trimEnd().endsWith('Mend the broken.')).toBe(true);
    expect(written).toMatch(/^The broken … failed after \d\.\d s\n$/);
    expect(done).toEqual([]);
    expect(existsSync(stampOf('broken'))).toBe(false);
  });

  it('ends what runs beside a failure, and takes that for interrupted', async () => {
    let begun = (): void => undefined;
    const running = new Promise<void>((resolve) => (begun = resolve));
    const long = stage('long', {
      work: ({ run }) => {
        const ended = run(['sleep', '600']);
        begun();
        return ended;
      },
    });
    const broken = stage('broken', { work: () => running.then(() => Promise.reject(new InstallError('It broke.'))) });
    await expect(run([long, broken])).rejects.toThrow('It broke.');
    await expect.poll(() => existsSync(join(state(), 'stamps', 'long.lock'))).toBe(false);
    expect(createStamps(root, join(state(), 'stamps')).wasInterrupted('long')).toBe(true);
    expect(written).not.toContain('The long');
  });

  it('counts the seconds on a terminal, in one line that fits', () => {
    let text = '';
    let time = 0;
    const report = createReport({ write: (part) => (text += part), columns: 30 }, { live: true, now: () => time });
    report.begin('Python packages');
    time = 41_000;
    report.detail('Python packages', 'torch and many others');
    const line = text.split('\r').at(-1)?.replace('\x1b[2K', '') ?? '';
    expect(line).toHaveLength(29);
    expect(line).toMatch(/^Python packages \(torch.*…$/);
    report.end('Python packages');
    report.close();
    expect(text).toContain('Python packages … 41 s\n');
    expect(text.endsWith('\r\x1b[2K')).toBe(true);
  });

  it.each([
    [3_240, '3.2 s'],
    [9_960, '10 s'],
    [41_400, '41 s'],
    [125_000, '2 min 5 s'],
  ])('says %i milliseconds as %s', (milliseconds, words) => expect(duration(milliseconds)).toBe(words));
});

it('the stages of a test run are listed with their seconds, up to one that fails', () => {
  const times = [
    { name: 'checked', milliseconds: 87_400 },
    { name: 'e2e', milliseconds: 300_000 },
  ];
  const table = 'stage          s\nchecked       87\ne2e          300\ntogether     387';
  expect(stageTable(times).trim()).toBe(table);
  const failed = times.map((time) => ({ ...time, failed: time.name === 'checked' }));
  expect(stageTable(failed).trim()).toBe(table.replace('87\n', '87  failed\n'));
});
