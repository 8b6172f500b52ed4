import * as vscode from 'vscode';
import type { App } from '../app';
import { isTooOld } from '../setUp/findPython';
import { Failure } from '../failure';
import { refuseHost } from '../remote/hosts';
import { baseOf, isOurs, type Machine, type RemotePython } from '../remote/machine';
import { type Caller, hostsOfConfig, look, setUpOn } from '../remote/remote';
import { readSettings } from '../settings';
import { picked } from './quickPick';
import { plainLabel, sizeText } from '../words';
import { reportFailure } from './report';

/** Connect to Remote Backend…: host, environment, set-up, connection; resolves with whether it is connected. */
export function connectRemote(app: App): () => Promise<boolean> {
  return () =>
    guarded(app, async () => {
      const host = await chooseHost(app);
      return host !== undefined && connectTo(app, host, false);
    });
}

/** Set Up Remote Backend: a fresh environment on the host that is in use. */
export function setUpRemote(app: App): () => Promise<boolean> {
  return () =>
    guarded(app, () => {
      const host = app.targets.current?.host;
      return host === undefined ? Promise.resolve(false) : connectTo(app, host, true);
    });
}

/** Disconnect: releases the host until it is used again. */
export function disconnect(app: App): () => Promise<boolean> {
  return async () => {
    await leave(app);
    return true;
  };
}

/** Use Local Backend: the one of the machine that this window's extension runs on. */
export function useLocalBackend(app: App): () => Promise<boolean> {
  return async () => {
    // before leaving the other one, so that requests in between go to the new one
    await app.targets.use(null);
    await leave(app);
    return true;
  };
}

/** Releases the backend; its pending requests are cancelled. */
async function leave(app: App): Promise<void> {
  app.analyses.cancel();
  app.choice.keepUnloaded();
  await app.backend.stop();
}

async function guarded(app: App, run: () => Promise<boolean>): Promise<boolean> {
  try {
    if (!vscode.workspace.isTrusted) {
      const message = 'This workspace is not trusted, so no connection is made for it.';
      throw new Failure('untrusted', message, 'Trust the workspace first.');
    }
    return await run();
  } catch (error) {
    await reportFailure(app, error);
    return false;
  }
}

type HostRow = vscode.QuickPickItem & { host?: string };

async function chooseHost(app: App): Promise<string | undefined> {
  const quickPick = vscode.window.createQuickPick<HostRow>();
  quickPick.title = 'Connect to Remote Backend';
  quickPick.placeholder = 'Choose a host of your ssh config, or type one: user@host';
  quickPick.matchOnDescription = true;
  // a name may have to be looked up elsewhere first
  quickPick.ignoreFocusOut = true;
  const recent = app.targets.recent.map(({ host, gpu }) => ({ host, description: gpu }));
  let configured: { host: string; description: string }[] = [];
  const row = ({ host, description }: { host: string; description: string }): HostRow => ({
    label: `$(remote) ${plainLabel(host)}`,
    description: plainLabel(description),
    host,
  });
  const update = () => {
    const typed = quickPick.value.trim();
    const others = configured.filter(({ host }) => recent.every((known) => known.host !== host));
    const isKnown = [...recent, ...others].some(({ host }) => host === typed);
    const why = typed === '' || isKnown ? null : refuseHost(typed);
    const typedRow: HostRow | null =
      typed === '' || isKnown
        ? null
        : why === null
          ? { label: '$(plug)', description: typed, host: typed, alwaysShow: true }
          : { label: '$(error)', description: why, alwaysShow: true };
    quickPick.items = [
      ...section('recent', recent.map(row)),
      ...section('ssh config', others.map(row)),
      ...(typedRow ? [typedRow] : []),
    ];
  };
  update();
  quickPick.onDidChangeValue(update);
  quickPick.busy = true;
  void hostsOfConfig(readSettings().ssh)
    .then((hosts) => {
      configured = hosts.map(({ name, address }) => ({ host: name, description: address === name ? '' : address }));
      update();
    })
    .finally(() => (quickPick.busy = false));
  return (await picked(quickPick))?.host;
}

function section<T extends vscode.QuickPickItem>(label: string, rows: T[]): (T | vscode.QuickPickItem)[] {
  return rows.length === 0 ? [] : [{ label, kind: vscode.QuickPickItemKind.Separator }, ...rows];
}

async function connectTo(app: App, host: string, setUpAnyway: boolean): Promise<boolean> {
  const { ssh, remoteHosts, pipArguments } = readSettings();
  const set = remoteHosts[host];
  const before = app.targets.recent.find((target) => target.host === host);
  const caller: Caller = { ssh, cwd: app.storage, log: (line) => app.log.info(line) };
  const named = [set?.python, before?.python].filter((path) => path !== undefined && path !== '') as string[];

  const machine = await withSteps(host, async (report, cancel) => {
    report('reaching it');
    const slow = setTimeout(() => report('waiting for its ssh server to accept the login'), 4000);
    try {
      return await look(caller, host, named, cancel);
    } finally {
      clearTimeout(slow);
    }
  });
  const bundle = await app.bundle();
  const chosen = setUpAnyway
    ? 'set up'
    : await choosePython(host, machine, bundle?.version ?? null, set?.python ?? '', before?.python ?? '');
  if (chosen === undefined) return false;

  let python = chosen;
  if (chosen === 'set up') {
    if (!bundle) throw new Failure('remoteUnfit', 'This build of the extension does not include the backend.');
    if (!(await agrees(host, machine))) return false;
    const built = await withSteps(host, (report, cancel) =>
      setUpOn(caller, host, machine, bundle, { pipArguments, wrapped: (set?.wrapper.length ?? 0) > 0, cancel, report }),
    );
    if ('trouble' in built) throw new Failure('remoteUnfit', `${host}: ${built.trouble.message}`, built.trouble.remedy);
    python = built.python;
  }

  await app.targets.use({ host, python, home: machine.home, gpu: machine.gpus[0]?.name ?? '' });
  await leave(app);
  await withSteps(host, async (report, cancel) => {
    report('connecting to its backend, or starting it');
    const stopping = cancel.onCancellationRequested(() => void app.backend.stop());
    await app.backend.start().finally(() => stopping.dispose());
  });
  const gpu = machine.gpus.map(({ name, freeBytes }) => `${name}, ${sizeText(freeBytes)} free`).join('; ');
  void vscode.window.showInformationMessage(`Connected to ${host}: ${gpu || 'no GPU, it computes on the CPU'}.`);
  return true;
}

type Report = (message: string) => void;

function withSteps<T>(
  host: string,
  work: (report: Report, cancel: vscode.CancellationToken) => Promise<T>,
): Thenable<T> {
  const options = { location: vscode.ProgressLocation.Notification, title: host, cancellable: true };
  return vscode.window.withProgress(options, (progress, cancel) =>
    work((message) => progress.report({ message }), cancel),
  );
}

type PythonRow = vscode.QuickPickItem & { python: string };

/** The interpreter to use, or 'set up'; asks only if there is a choice. */
async function choosePython(
  host: string,
  machine: Machine,
  version: string | null,
  setting: string,
  before: string,
): Promise<string | undefined> {
  const usable = machine.pythons.filter((python) => python.backend !== null && !isTooOld(python));
  const fits = (python: RemotePython) => python.backend === version || !isOurs(machine, python);
  if (setting !== '') {
    const asSet = usable.find(({ path }) => path === setting || path === `${setting}/bin/python`);
    if (asSet) return asSet.path;
    const message = `The interpreter set for ${host} (${setting}) is not there, or lm-transparency is not installed in it.`;
    throw new Failure('remoteUnfit', message, 'Correct lmTransparency.remote.hosts.');
  }
  const known = usable.find((python) => fits(python) && (python.path === before || python.path === machine.own));
  if (known) return known.path;
  const rows: PythonRow[] = usable.filter(fits).map((python) => ({
    label: `$(server-environment) ${plainLabel(python.path)}`,
    description: `lm-transparency ${python.backend ?? ''} · Python ${python.version?.join('.') ?? ''}`,
    python: python.path,
  }));
  const outdated = usable.find((python) => isOurs(machine, python) && !fits(python));
  const base = baseOf(machine);
  const setUp: PythonRow = {
    label: outdated ? '$(arrow-up) Upgrade the environment there' : '$(add) Set up a separate environment there',
    description: outdated
      ? `lm-transparency ${outdated.backend ?? ''} → ${version ?? ''}`
      : base
        ? `Python ${base.version?.join('.') ?? ''} · ${machine.data}`
        : 'no suitable Python there',
    python: 'set up',
  };
  const chosen = await vscode.window.showQuickPick([...rows, setUp], {
    title: `Python on ${host}`,
    placeHolder: 'The environment that runs the model',
    ignoreFocusOut: true,
  });
  return chosen?.python;
}

async function agrees(host: string, machine: Machine): Promise<boolean> {
  const yes = 'Set Up';
  const gpu = machine.gpus[0];
  const what = gpu ? `PyTorch with CUDA for ${gpu.name}, about 6 GB` : 'PyTorch without CUDA, about 2 GB';
  const detail = `Creates a separate Python environment in ${machine.data} (${what}). Nothing else on ${host} changes.`;
  const message = `Install the backend on ${host}?`;
  return (await vscode.window.showInformationMessage(message, { modal: true, detail }, yes)) === yes;
}
