// What an end-to-end test needs: a server with the extension, a browser, and hands in the workbench.
export {
  startCodeServer,
  workbenchUrl,
  type RunningServer,
  type ServerOptions,
} from '../../../scripts/host/server.mjs';
export { launchBrowser } from './browser.ts';
export { guardNetwork, leavesTheMachine } from './network.ts';
export { openQuickInputAndPick, pickInQuickInput, quickInput, quickInputRow } from './quick-input.ts';
export { screenshot, takePicture } from './screenshots.ts';
export { allThemes, themes, type Theme } from './themes.ts';
export {
  closeTab,
  notifications,
  openFile,
  openWorkbench,
  readyWebview,
  reloadWindow,
  runCommand,
  setTheme,
  waitForWorkbench,
  webviewFrame,
  type WorkbenchOptions,
} from './workbench.ts';
export { childrenOf, kill, processes, type RemoteMachine, startRemoteMachine, waitUntil } from './sshd.ts';
