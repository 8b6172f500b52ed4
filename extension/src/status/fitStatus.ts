import * as vscode from 'vscode';
import type { LensFits } from '../models/lensFits';

/** An entry in the status bar while a lens is fitted; a click offers to stop it. */
export function showFit(fits: LensFits): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('lmTransparency.fit', vscode.StatusBarAlignment.Left);
  item.name = 'LM Transparency: Lens';
  item.command = 'lmTransparency.fitLens';
  const listening = fits.changed.listen(() => {
    const { fitting } = fits.current ?? {};
    if (!fitting) return item.hide();
    item.text = `$(telescope) Lens: ${fitting.message}`;
    item.tooltip = 'A lens is fitted while nothing else computes. Click to stop; what is done is kept';
    item.show();
  });
  return vscode.Disposable.from(item, listening);
}
