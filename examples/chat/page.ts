/** The page: chats with a language model that the visitor opens. */
import { chooseDevice, messageOf, showNotice } from '../page';
import '../gpt/page.css';
import './page.css';
import { Chat } from './chat';
import { showPhase } from './form';

showPhase('loading');
try {
	const { device } = await chooseDevice(showPhase);
	new Chat(device);
} catch (error) {
	console.error(error);
	showPhase('waiting');
	showNotice('The page could not start', messageOf(error));
}
