import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { TreeView, Uri, UriHandler } from 'vscode';
import type { App } from '../../extension/src/app';
import { Failure } from '../../extension/src/failure';
import { CancelSource } from '../../extension/src/cancel';
import type { StoredResult } from '../../extension/src/panel/resultStore';
import { runCommands } from '../../extension/src/commands/runs';
import { keepRun } from '../../extension/src/runs/keep';
import { Runs } from '../../extension/src/runs/library';
import { linkTo, readLink, RunLinks } from '../../extension/src/runs/link';
import { EFFECTS, NOTHING_SET } from './analyses_world';
import { readRun, runKey, withOrigin } from '../../extension/src/runs/runFile';
import { readInput, registerTool } from '../../extension/src/runs/tool';
import { type Row, RunsView } from '../../extension/src/runs/view';
import { checkSettings } from '../../extension/src/settings';
import type { Tool } from '../../extension/src/runs/languageModel';
import { failing, files, happens, shown, Uri as FakeUri, workspace } from './vscode.fake';

// written by the backend, whose tests run it again
const FILE = readFileSync(new URL('../vectors/runs/ioi.run.json', import.meta.url), 'utf8');
const KEY = runKey(readRun(FILE));
const STORAGE = '/storage/runs';
const BESIDE = '/w/.lm-transparency';

const bytes = (text: string) => Buffer.from(text, 'utf8');
const textAt = (path: string) => Buffer.from(files.get(path) ?? []).toString('utf8');
const edited = (change: (document: Record<string, unknown>) => void) => {
  const document = JSON.parse(FILE) as Record<string, unknown>;
  change(document);
  return JSON.stringify(document);
};
const result = (more: Partial<StoredResult> = {}): StoredResult => ({
  runId: 'r1',
  uri: 'file:///w/ioi.prompt',
  title: 'ioi.prompt',
  asked: { source: '', dtype: 'auto' },
  place: { start: 2, end: 60, at: [0], from: [2], length: [58], digest: '' },
  settings: NOTHING_SET,
  isComparison: false,
  effects: null,
  payload: new Uint8Array(),
  ...more,
});

let runs: Runs;
beforeEach(() => {
  files.clear();
  Object.assign(failing, { write: false, rename: false });
  workspace.workspaceFolders = [{ uri: FakeUri.file('/w') }];
  shown.warnings.length = shown.errors.length = shown.information.length = shown.answers.length = 0;
  shown.typed = undefined;
  runs = new Runs(FakeUri.file(STORAGE) as unknown as Uri, () => undefined);
});

describe('a run file', () => {
  it('is read: what was asked, and what the model answered', () => {
    const content = readRun(FILE);
    expect(content).toMatchObject({
      prompt: 'When Mary and John went to the store, John gave a drink to',
      model: 'smollm2-135m-instruct',
      answer: { text: ' Mary' },
      tokens: 14,
      target: 13,
      origin: null,
    });
    expect(content.answer?.probability).toBeCloseTo(0.92, 2);
  });

  it.each([
    ['{', 'it is not JSON'],
    ['[]', 'it has no "lm_transparency_run"'],
    [edited((d) => (d['lm_transparency_run'] = 2)), 'its format is 2'],
    [edited((d) => (d['prompt'] = 'one')), '"prompt" is not a list of lines'],
    [edited((d) => (d['prompt'] = [''])), '"prompt" is empty'],
    [edited((d) => delete d['asked']), '"asked" is not an object'],
    [edited((d) => (d['asked'] = { model: 'm', dtype: 'int3' })), '"asked.dtype" is none of auto'],
    [edited((d) => (d['model'] = {})), '"model.name" is not a string'],
    [edited((d) => (d['tokens'] = null)), '"tokens" is not a list'],
    [edited((d) => (d['target'] = { position: -1 })), '"target.position" is not a number'],
    [edited((d) => (d['threshold'] = 3)), '"threshold" is not 0 to 1'],
  ])('that is broken says why: %.20s', (text, why) => {
    expect(() => readRun(text)).toThrow(why);
  });

  it('is put elsewhere with every other byte as it was', () => {
    const place = { file: '../a "$&" ïoi.prompt', start: 0, end: 5 };
    const moved = withOrigin(FILE, place);
    expect(readRun(moved).origin).toMatchObject(place);
    expect(withOrigin(moved, null)).toBe(FILE);
    expect(() => withOrigin(JSON.stringify(JSON.parse(FILE), null, 4), null)).toThrow('another program reformatted it');
  });

  it('is the same run in any place and at any time, and a different one for a different request', () => {
    const same = edited((d) => Object.assign(d, { created: '', from: { uri: 'x' }, threshold: 0.5, edges: [] }));
    expect(runKey(readRun(same))).toBe(KEY);
    for (const change of [{ prompt: ['other'] }, { model: { name: 'm' } }])
      expect(runKey(readRun(edited((d) => Object.assign(d, change))))).not.toBe(KEY);
    const asked = { model: 'm', dtype: 'auto', special_tokens: 'bos', chat: false, top_k: 10 };
    expect(runKey(readRun(edited((d) => (d['asked'] = asked))))).not.toBe(KEY);
  });
});

describe('the runs of a workspace', () => {
  it('are kept once each: the same question again takes the place of the answer before', async () => {
    await runs.keep(FILE, result());
    await runs.keep(FILE, result({ runId: 'r2' }));
    expect([...files.keys()]).toEqual([`${STORAGE}/ioi-${KEY.slice(0, 8)}.run.json`]);
    const [run] = await runs.all();
    expect(run).toMatchObject({ kept: 'r2', saved: false, key: KEY, document: { path: '/w/ioi.prompt' } });
  });

  it('are listed once where they are saved as well, with the payload that is kept', async () => {
    await runs.keep(FILE, result());
    files.set(`${BESIDE}/mine.run.json`, bytes(withOrigin(FILE, { file: '../ioi.prompt', start: 0, end: 3 })));
    runs.refresh();
    expect(await runs.all()).toMatchObject([
      { name: 'mine', saved: true, kept: 'r1', document: { path: '/w/ioi.prompt' } },
    ]);
  });

  it('read nothing machine-specific from a saved file, nor a document outside the workspace', async () => {
    const place = { uri: 'file:///etc/passwd', kept: 'x', source: '/evil', start: 0, end: 1 };
    for (const file of ['../../../etc/passwd', '/etc/passwd', 'C:\\x', '']) {
      files.set(`${BESIDE}/a.run.json`, bytes(withOrigin(FILE, { ...place, file })));
      runs = new Runs(FakeUri.file(STORAGE) as unknown as Uri, () => undefined);
      expect(await runs.all()).toMatchObject([{ kept: null, document: null }]);
    }
  });

  it('follow what others do to the files', async () => {
    const watching = runs.watch();
    const changed = vi.fn();
    runs.changed.listen(changed);
    await runs.keep(FILE, result());
    files.set(`${BESIDE}/b.run.json`, bytes('{'));
    happens.files.fire(FakeUri.file(`${BESIDE}/b.run.json`));
    await vi.waitFor(() => expect(changed).toHaveBeenCalledTimes(2));
    expect((await runs.all()).map(({ name, broken }) => [name, broken !== ''])).toEqual([
      [`ioi-${KEY.slice(0, 8)}`, false],
      ['b', true],
    ]);
    watching.dispose();
  });

  it('are renamed, unless there is one of that name', async () => {
    const one = await runs.keep(FILE, result());
    await runs.rename(one, 'mine');
    expect([...files.keys()]).toEqual([`${STORAGE}/mine.run.json`]);
    files.set(`${STORAGE}/taken.run.json`, bytes('{'));
    const [run] = (await runs.all()).filter(({ name }) => name === 'mine');
    if (run) await expect(runs.rename(run, 'taken')).rejects.toThrow('exists');
    expect(textAt(`${STORAGE}/taken.run.json`)).toBe('{');
  });

  it('are kept whole or not at all', async () => {
    failing.write = true;
    await expect(runs.keep(FILE, result())).rejects.toThrow('The disk is full.');
    expect([...files.keys()]).toEqual([]);
    const log = vi.fn();
    await keepRun({ backend: { request: () => Promise.resolve({ text: FILE }) }, runs, log }, result());
    expect(log).toHaveBeenCalledWith(expect.stringContaining('The disk is full.'));
  });
});

describe('the view', () => {
  it('has prompts, their runs, and broken files with the reason', async () => {
    await runs.keep(FILE, result());
    files.set(`${BESIDE}/b.run.json`, bytes('{'));
    runs.refresh();
    const view = new RunsView(runs);
    const [group, broken] = await view.getChildren();
    expect(group && view.getTreeItem(group)).toMatchObject({
      label: 'When Mary and John went to the store, John gave a drink to',
      description: 'ioi.prompt',
    });
    const [run] = await view.getChildren(group);
    expect(run && view.getTreeItem(run)).toMatchObject({
      label: 'smollm2-135m-instruct',
      description: expect.stringMatching(/^Mary 92\.\d %$/) as string,
      contextValue: 'run.kept',
    });
    expect(run && view.getParent(run)).toBe(group);
    expect(broken && view.getTreeItem(broken)).toMatchObject({
      contextValue: 'run.broken',
      description: expect.stringContaining('it is not JSON') as string,
    });
  });
});

describe('commands on runs', () => {
  const store = { drop: vi.fn(), get: vi.fn() };
  const ask = vi.fn(() => Promise.resolve({ text: FILE }));
  const commands = (selection: Row[] = [], open: object[] = []) => {
    const panels = { active: () => undefined, all: () => open };
    const app = { runs, store, panels, analyses: { ask }, log: { error: vi.fn() } };
    return runCommands(app as unknown as App, { selection } as unknown as TreeView<Row>);
  };

  it('delete what is selected, saved and kept, with the payload, if the person says so', async () => {
    await runs.keep(FILE, result());
    files.set(`${BESIDE}/mine.run.json`, bytes(FILE));
    runs.refresh();
    const meant = [...(await runs.all())];
    shown.answers.push(undefined, 'Delete');
    await commands(meant).deleteRun();
    expect(files.size).toBe(2);
    await commands(meant).deleteRun();
    expect(files.size).toBe(0);
    expect(shown.warnings.at(-1)?.detail).toContain('Deletes .lm-transparency/mine.run.json.');
    expect(store.drop).toHaveBeenCalledWith('r1');
  });

  it('mean the row that was clicked, and what is selected only where it is a part of that', async () => {
    const one = await runs.keep(FILE, result());
    files.set(`${STORAGE}/two.run.json`, bytes(edited((d) => (d['prompt'] = ['other']))));
    runs.refresh();
    const other = (await runs.all()).find(({ name }) => name === 'two');
    await commands(other ? [other] : []).saveRun(one, other ? [other] : []);
    expect([...files.keys()].filter((file) => file.startsWith(BESIDE))).toEqual([`${BESIDE}/${one.name}.run.json`]);
  });

  it('do nothing with what is no run of this workspace', async () => {
    files.set('/elsewhere.run.json', bytes(FILE));
    const forged = { uri: FakeUri.file('/elsewhere.run.json'), content: null };
    await commands().deleteRun(forged);
    await commands().saveRun(forged);
    expect([...files.keys()]).toEqual(['/elsewhere.run.json']);
  });

  it('rename to names that a file can have', async () => {
    const run = await runs.keep(FILE, result());
    for (const name of ['', 'a/b', '..', 'x:y']) {
      shown.typed = name;
      await commands([run]).renameRun();
    }
    expect([...files.keys()]).toEqual([run.uri.path]);
    shown.typed = 'drink';
    await commands([run]).renameRun();
    expect([...files.keys()]).toEqual([`${STORAGE}/drink.run.json`]);
  });

  it('save beside the prompt, and beside another run of that name', async () => {
    const run = await runs.keep(FILE, result());
    files.set(`${BESIDE}/${run.name}.run.json`, bytes('{'));
    await commands([run]).saveRun();
    const saved = textAt(`${BESIDE}/${run.name}-2.run.json`);
    expect(readRun(saved).origin).toMatchObject({ file: '../ioi.prompt', start: 2, end: 60 });
    expect(saved).not.toContain('/w/');
    expect(withOrigin(saved, null)).toBe(FILE);
    expect(ask).not.toHaveBeenCalled();
  });

  it('save the effects that the panel knows, of the target that it shows', async () => {
    const [run, { target, threshold }] = [await runs.keep(FILE, result()), readRun(FILE)];
    const shown = result({ effects: { ...EFFECTS, position: target } });
    const saved = async (view: object) => {
      await commands([run], [{ shown, view: { threshold, renormalize: true, ...view } }]).saveRun();
      return (ask.mock.lastCall as unknown[])[1];
    };
    expect(await saved({ target })).toMatchObject({ params: { target, threshold, effects: shown.effects } });
    expect(await saved({ target: 2, threshold: 'auto' })).toMatchObject({ params: { threshold: null, effects: null } });
  });
});

describe('a link to a run', () => {
  const opened = vi.fn();
  const handler = (answer: boolean): UriHandler & { asked: string[] } => {
    const asked: string[] = [];
    const world = {
      ...{ runs, report: (error: unknown) => Promise.reject(error as Error) },
      analyses: { runAgain: (uri: Uri) => Promise.resolve(void opened(`analyzed ${uri.path}`)) },
      panels: { all: () => [], open: (uri: Uri) => ({ showResult: () => void opened(uri.path) }) },
      store: { get: (id: string) => Promise.resolve(id === 'r1' ? result() : null) },
      settingsFor: () => checkSettings(() => undefined),
    };
    const links = new RunLinks(world as never, (question) => {
      asked.push(question);
      return Promise.resolve(answer);
    });
    return Object.assign(links, { asked });
  };
  const follow = (query: string) => ({ path: '/run', query }) as unknown as Uri;
  beforeEach(() => opened.mockClear());

  it('names it by what it is', () => {
    expect(linkTo({ key: KEY }, 'vscode')).toBe(`vscode://lm-transparency.lm-transparency/run?id=${KEY}`);
  });

  it.each([
    ['/run', 'id=../../x'],
    ['/run', 'id=0123456789abcdef&id=0123456789abcdef'],
    ['/run', 'file=/etc/passwd'],
    ['/run', 'file=\u0000x.run.json'],
    ['/run', 'file=a.run.json&id=0123456789abcdef'],
    ['/run', 'file=//server/share/x.run.json'],
    ['/run', 'file=\\\\server\\share\\x.run.json'],
    ['/run', ''],
    ['/analyze', 'id=0123456789abcdef'],
    ['/run/more', 'id=0123456789abcdef'],
  ])('asks for nothing else: %s?%s', (path, query) => {
    expect(readLink({ path, query })).toBeNull();
  });

  it('opens a run of this workspace at once', async () => {
    await runs.keep(FILE, result());
    const links = handler(true);
    await links.handleUri(follow(`id=${KEY}`));
    expect([opened.mock.calls, links.asked]).toEqual([[['/w/ioi.prompt']], []]);
  });

  it('asks before a prompt is analyzed and before a file of elsewhere is opened', async () => {
    files.set(`${BESIDE}/a.run.json`, bytes(FILE));
    files.set('/tmp/b.run.json', bytes(edited((d) => (d['prompt'] = ['other']))));
    for (const query of ['file=.lm-transparency/a.run.json', 'file=/tmp/b.run.json']) {
      const refused = handler(false);
      await refused.handleUri(follow(query));
      expect([opened.mock.calls, refused.asked.length]).toEqual([[], 1]);
    }
    const allowed = handler(true);
    await allowed.handleUri(follow('file=/tmp/b.run.json'));
    expect(allowed.asked).toHaveLength(2);
    expect(opened).toHaveBeenCalledWith('analyzed /tmp/b.run.json');
  });

  it('to a run that is not here says so', async () => {
    await handler(true).handleUri(follow('id=0123456789abcdef'));
    expect(shown.warnings.at(-1)?.text).toContain('not in this workspace');
  });
});

describe('the tool for assistants', () => {
  const registered = (request: (method: string, params: object, options: { cancel?: unknown }) => Promise<unknown>) => {
    let tool: Tool | undefined;
    const register = (_name: string, given: Tool) => {
      tool = given;
      return { dispose: () => undefined };
    };
    const settings = () => checkSettings((key) => ({ model: 'org/m', topK: 5, 'models.allowDownload': true })[key]);
    registerTool({ backend: { request } as never, settings }, { register, result: (text) => text });
    return tool as Tool;
  };

  it('is not offered where VS Code has no tools', () => {
    expect(registerTool({} as never)).toBeNull();
  });

  it('answers with the report, downloads nothing, and can be cancelled', async () => {
    const { token } = new CancelSource();
    const request = vi.fn((method: string) =>
      Promise.resolve(method.endsWith('analyze') ? { runId: 'r' } : { text: 'REPORT' }),
    );
    const input = { prompt: 'Hi', threshold: 0.1, target: 0, effects: true, contrast: ' you' };
    expect(await registered(request as never).invoke({ input }, token)).toBe('REPORT');
    const [analyze, describe] = request.mock.calls as unknown as [string, object, { cancel: unknown }][];
    expect(analyze?.[1]).toMatchObject({ prompt: 'Hi', source: 'org/m', allowDownload: false });
    expect(describe?.[1]).toMatchObject({ runId: 'r', form: 'text', threshold: 0.1, target: 0 });
    expect(describe?.[1]).toMatchObject({ measure: true, contrast: ' you' });
    expect([analyze?.[2].cancel, describe?.[2].cancel]).toEqual([token, token]);
  });

  it('says what is wrong and names a remedy', async () => {
    const tool = registered(() => Promise.reject(new Failure('modelNotFound', 'There is none.', 'Name another.')));
    const { token } = new CancelSource();
    await expect(tool.invoke({ input: { prompt: 'Hi' } }, token)).rejects.toThrow('There is none. Name another.');
  });

  it.each([
    [{}, '"prompt"'],
    [{ prompt: '' }, '"prompt"'],
    [{ prompt: 'x', model: 3 }, '"model"'],
    [{ prompt: 'x', threshold: 1 }, '"threshold"'],
    [{ prompt: 'x', target: -1 }, '"target"'],
    [{ prompt: 'x', target: 0.5 }, '"target"'],
    [{ prompt: 'x', effects: 'yes' }, '"effects"'],
    [{ prompt: 'x', contrast: 7 }, '"contrast"'],
    [{ prompt: 'x', contrast: 'x'.repeat(201) }, '"contrast"'],
    [null, '"prompt"'],
  ])('refuses %j', (input, says) => {
    expect(() => readInput(input)).toThrow(says);
  });

  it('asks the person first, with the model and the prompt', () => {
    const tool = registered(() => Promise.resolve(null));
    const question = tool.prepareInvocation({ input: { prompt: 'a **bold** one' } }) as {
      confirmationMessages: { message: { value: string } };
    };
    expect(question.confirmationMessages.message.value).toMatch(/org\/m[\s\S]*a \*\*bold\*\* one/);
  });

  it('is the manifest’s', () => {
    const manifest = readFileSync(new URL('../../extension/package.json', import.meta.url), 'utf8');
    const { contributes } = JSON.parse(manifest) as {
      contributes: Record<string, { name: string; inputSchema: { properties: object } }[]>;
    };
    const [tool] = contributes['languageModelTools'] ?? [];
    expect(tool?.name).toBe('lm_transparency_analyze');
    expect(Object.keys(tool?.inputSchema.properties ?? {})).toEqual(Object.keys(readInput({ prompt: 'x' })));
  });
});
