/** Starts the view in its host. */
import { browserHost } from './hosts/browser';
import { editorHost, inEditor } from './hosts/vscode';
import { mount } from './mount';
import './styles/main.css';

const root = document.getElementById('root');
if (root) mount(root, inEditor() ? editorHost() : browserHost());
