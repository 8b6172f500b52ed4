import { randomUUID } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import type { PanelAction } from '../shared/webview';
import type { App } from './app';
import { Backend } from './backend/backend';
import { connect } from './backend/client';
import { Environments } from './setUp/environment';
import { findPython, type OwnEnvironment } from './setUp/findPython';
import { silenceFrom } from './link/heartbeat';
import { ATTACH_ARGUMENTS, launch, type LaunchOptions, SERVE_ARGUMENTS, type ServerProcess } from './link/launch';
import { backendEnvironment, currentPlatform, interpreterOf } from './setUp/paths';
import { probePython } from './setUp/probe';
import { selectedPython } from './setUp/pythonExtension';
import { tellTraceMemory } from './backend/traceMemory';
import { findBundle } from './setUp/wheel';
import { runAction } from './commands/actions';
import { analyzePrompt } from './commands/analyzePrompt';
import { askForRoom } from './commands/askForRoom';
import { askToRestart } from './commands/askToRestart';
import { cancelAnalysis } from './commands/cancelAnalysis';
import { connectRemote, disconnect, setUpRemote, useLocalBackend } from './commands/connectRemote';
import { comparePrompt } from './commands/comparePrompt';
import { choosePrompt } from './commands/choosePrompt';
import { fitLens } from './commands/fitLens';
import { exportGraph } from './commands/exportGraph';
import { share } from './commands/share';
import { hideHeat, nextHeat } from './commands/heat';
import { LensFits } from './models/lensFits';
import { ModelChoice } from './models/modelChoice';
import { newPrompt } from './commands/newPrompt';
import { offerAnalysis } from './commands/offerAnalysis';
import { offerSetUp } from './commands/offerSetUp';
import { RecentModels } from './models/recentModels';
import { reportFailure } from './commands/report';
import { reportIssue } from './commands/reportIssue';
import { restartBackend } from './commands/restartBackend';
import { selectDevice, selectDtype } from './commands/selectCompute';
import { loadModel, selectModel } from './commands/selectModel';
import { setUpBackend } from './commands/setUpBackend';
import { showLog } from './commands/showLog';
import { unloadModel } from './commands/unloadModel';
import { whyNot } from './commands/whyNot';
import { EarlyStart } from './editor/earlyStart';
import { showLegend } from './editor/legend';
import { TokenMarks } from './editor/tokenMarks';
import { Surprisal } from './editor/surprisal';
import { LiveMode } from './live/liveMode';
import { Analyses } from './panel/analyses';
import { heed } from './panel/notices';
import type { PageWorld } from './panel/savePage';
import type { Panel } from './panel/panel';
import { PANEL_TYPE, Panels, unlockEmptyGroup } from './panel/panels';
import { ResultStore } from './panel/resultStore';
import { Visit } from './backend/visit';
import { launchAttached } from './link/attached';
import { launchOn } from './remote/remote';
import { Targets } from './remote/target';
import { surprisalAt } from './prompts/ask';
import { runCommands } from './commands/runs';
import { keepRun } from './runs/keep';
import { Runs } from './runs/library';
import { RunLinks } from './runs/link';
import { registerTool } from './runs/tool';
import { showRuns } from './runs/view';
import { Log } from './log';
import { readSettings, SECTION, storeSetting } from './settings';
import { showFit } from './status/fitStatus';
import { ModelStatus } from './status/modelStatus';
import { showStatus } from './status/status';

// a window of this machine whose connection broke is back at once, or never
const AWAY_MINUTES = 1;

let running: Backend | undefined;
let visit: Visit | undefined;

/** Wires the parts together; nothing starts before it is used. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const storage = context.globalStorageUri.fsPath;
  await mkdir(storage, { recursive: true });
  const log = new Log(vscode.window.createOutputChannel('LM Transparency', { log: true }));
  const info = (line: string) => log.info(line);
  const environments = new Environments(storage, currentPlatform());
  const bundle = () => findBundle(context.asAbsolutePath('backend'));
  const askSelected = () => selectedPython(info);
  const targets = new Targets(context.workspaceState, context.globalState, homedir());
  // of this window's life: a reconnection is known by it
  const clientId = randomUUID();
  const silenceS = silenceFrom(process.env['LM_TRANSPARENCY_SILENCE_S']);

  const backend = new Backend({
    mayStart: () => vscode.workspace.isTrusted,
    find: async () => {
      const target = targets.current;
      if (target) return { found: true, ...target, origin: 'host', version: '' };
      return findPython({
        platform: currentPlatform(),
        home: homedir(),
        setting: readSettings().python,
        variable: process.env['LM_TRANSPARENCY_PYTHON'] ?? '',
        own: (await environments.current()) ?? (await developmentEnvironment(context)),
        bundled: (await bundle())?.version ?? null,
        selected: askSelected,
        isFile,
        probe: (python) => probePython([python], { cwd: storage, env: backendEnvironment(process.env, false) }),
        log: info,
      });
    },
    launch: ({ python, origin, host }, again) => {
      const { ssh, remoteHosts } = readSettings();
      if (host !== undefined) return launchOn({ ssh, cwd: storage, log: info }, host, python, remoteHosts[host], again);
      return launchHere(python, {
        cwd: storage,
        env: backendEnvironment(process.env, origin === 'own environment'),
        onLine: (line) => info(`[backend] ${line}`),
      });
    },
    load: askForRoom,
    askToRestart,
    connect: (server) => {
      const { idleMinutes, keepTrailingNewline, model, specialTokens } = readSettings();
      const awayMinutes = server.link?.host ? idleMinutes : AWAY_MINUTES;
      const silence = server.link?.host ? silenceS : 0;
      const known = { clientId, idleMinutes, awayMinutes, silenceS: silence, keepTrailingNewline };
      return connect(server, log.channel, { ...known, model, specialTokens, loadModel: false });
    },
    log: info,
    now: Date.now,
    silenceS,
  });
  running = backend;
  const folder = (context.storageUri ?? context.globalStorageUri).fsPath;
  visit = new Visit(folder);
  if (visit.wasJustNow()) backend.start().catch((error: unknown) => info(`not reconnected: ${String(error)}`));

  const store = new ResultStore(path.join(folder, 'results'));
  const runs = new Runs(vscode.Uri.file(path.join(folder, 'runs')), info);
  const marks = new TokenMarks();
  const surprisal = new Surprisal((...asked) => surprisalAt(backend, ...asked), info);
  const choice = new ModelChoice({
    read: readSettings,
    load: (chosen, cancel) => Promise.resolve(loadModel(backend, chosen, cancel)),
    store: storeSetting,
  });
  const fits: LensFits = new LensFits({
    request: (...asked) => backend.request(...asked),
    isLoaded: (source) => backend.status.health?.loaded.some((model) => model.source === source) === true,
    memory: context.workspaceState,
    ended: ({ sequences }) =>
      void vscode.window.setStatusBarMessage(`LM Transparency: lens fitted on ${sequences} sequences`, 8000),
    failed: (error) => void reportFailure(app, error),
  });
  const analyses: Analyses = new Analyses(backend, () => panels, store, choice, info);
  const ask: PageWorld['ask'] = (...asked) => analyses.ask(...asked);
  const panels: Panels = new Panels(context.extensionUri, store, {
    ask,
    told: (panel, notice) => void heed(notices, panel, notice),
    shown: (panel) => {
      marks.link(panel);
      panel.showFitting();
    },
    aimed: (panel) => marks.redraw(panel),
    measured: (panel) => analyses.measured(panel),
    fitting: ({ shown }) => (fits.current?.source === (shown?.asked.source ?? '') ? fits.current.fitting : null),
    disposed: (panel) => {
      analyses.cancel(panel);
      marks.unlink(panel);
    },
    ignored: () => log.warn('the panel sent an unknown message'),
  });
  const { extensionUri } = context;
  const recent = new RecentModels(context.globalState);
  const settingsFor = (uri?: vscode.Uri) => choice.settingsFor(uri);
  const live = new LiveMode({ analyses, panels, choice, log: info });
  const app: App = {
    ...{ backend, analyses, panels, store, runs, marks, surprisal, environments, recent, choice, fits, live, targets },
    ...{ log, extensionUri, storage, bundle, selectedPython: askSelected, settingsFor },
    manifest: context.extension.packageJSON as App['manifest'],
  };
  const act = (action: PanelAction, panel: Panel) => void runAction(app, action, panel);
  const notices = { extensionUri, ask, marks, surprisal, store, act, log: info };
  const offer = offerSetUp(app);
  const tree = showRuns(runs);
  const report = (error: unknown) => reportFailure(app, error);
  const tool = registerTool({ backend, settings: settingsFor });

  const commands: Record<string, (target?: unknown) => unknown> = {
    analyzePrompt: analyzePrompt(app),
    choosePrompt: choosePrompt(app),
    comparePrompt: comparePrompt(app),
    cancel: cancelAnalysis(app),
    exportGraph: exportGraph(app),
    share: share(app),
    nextHeat: nextHeat(app),
    hideHeat: hideHeat(app),
    selectModel: selectModel(app),
    selectDevice: selectDevice(app),
    selectDtype: selectDtype(app),
    setUpBackend: setUpBackend(app),
    restartBackend: restartBackend(app),
    unloadModel: unloadModel(app),
    connectRemote: connectRemote(app),
    setUpRemote: setUpRemote(app),
    disconnect: disconnect(app),
    useLocalBackend: useLocalBackend(app),
    showLog: showLog(app),
    reportIssue: reportIssue(app),
    toggleLive: () => live.toggle(),
    newPrompt: () => newPrompt(),
    whyNot: whyNot(app),
    fitLens: fitLens(app),
    ...runCommands(app, tree),
  };
  const early = new EarlyStart(backend, targets, info);
  context.subscriptions.push(
    log.channel,
    marks,
    live,
    surprisal,
    showLegend(marks, surprisal),
    early,
    ...Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(`${SECTION}.${name}`, run)),
    vscode.window.registerWebviewPanelSerializer(PANEL_TYPE, panels),
    unlockEmptyGroup(),
    showStatus(backend, analyses, targets),
    new ModelStatus({ backend, panels, choice, targets }),
    showFit(fits),
    tellTraceMemory(backend, info),
    runs.watch(),
    tree,
    vscode.window.registerUriHandler(new RunLinks({ ...app, report })),
    ...(tool ? [tool] : []),
    fits.changed.listen(() => panels.all().forEach((panel) => panel.showFitting())),
    backend.changed.listen(() => fits.resume()),
    analyses.finished.listen((result) => void keepRun({ backend, runs, log: info }, result)),
    analyses.failed.listen(({ panel, failure }) => {
      if (failure.kind === 'backendMissing') void offer(panel);
    }),
    backend.changed.listen(({ phase, failure }) => {
      const text = failure ? `${failure.message} ${failure.remedy}` : '';
      if (phase === 'failed' || phase === 'running' || phase === 'reconnecting')
        for (const panel of panels.all()) panel.showOffline(phase !== 'running', text);
      for (const panel of panels.all()) panel.showMeasured();
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(SECTION) && choice.heed())
        void offerAnalysis(app, 'The settings have changed', true);
      if (event.affectsConfiguration(`${SECTION}.effects`)) for (const panel of panels.all()) panel.showMeasured();
      // the next use starts the interpreter that is set now
      const place = [`${SECTION}.backend.python`, `${SECTION}.remote`];
      if (place.some((section) => event.affectsConfiguration(section))) void backend.stop().then(() => early.look());
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void backend.stop().then(() => early.look())),
    vscode.workspace.onDidOpenTextDocument(() => marks.relinkAll()),
  );
}

/** The server that all windows share. Windows lacks the sockets for that, so each window has its own. */
function launchHere(python: string, options: LaunchOptions): ServerProcess {
  return currentPlatform() === 'win32'
    ? launch([python, ...SERVE_ARGUMENTS], options)
    : launchAttached([python, ...ATTACH_ARGUMENTS], '', '', options);
}

// F5 in the repository runs the backend from its own .venv
async function developmentEnvironment(context: vscode.ExtensionContext): Promise<OwnEnvironment | null> {
  if (context.extensionMode !== vscode.ExtensionMode.Development) return null;
  const python = interpreterOf(path.join(context.extensionPath, '..', '.venv'), currentPlatform());
  return (await isFile(python)) ? { python, version: 'development' } : null;
}

function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** Ends the backend; VS Code gives five seconds. */
export async function deactivate(): Promise<void> {
  if (running && running.sessionId !== null) visit?.leave();
  await running?.stop();
}
