import { remember } from '../kernel/remember.js';

/**
 * Programs that fetch links nobody opened: unfurlers of chats and the large crawlers. The list is closed: curl,
 * test runners and headless browsers are users, so nothing general such as “bot” is in it.
 */
const AUTOMATIC = [
  'Slackbot', 'Slack-ImgProxy', 'Twitterbot', 'facebookexternalhit', 'Facebot', 'LinkedInBot', 'Discordbot', 'TelegramBot', 'WhatsApp/',
  'SkypeUriPreview', 'MicrosoftPreview', 'Mattermost-Bot', 'Rocket.Chat', 'redditbot', 'Pinterestbot', 'Iframely', 'Embedly',
  'Googlebot', 'Google-InspectionTool', 'GoogleOther', 'AdsBot-Google', 'Storebot-Google', 'bingbot', 'DuckDuckBot', 'YandexBot', 'Baiduspider',
  'Applebot', 'AhrefsBot', 'SemrushBot', 'MJ12bot', 'DotBot', 'PetalBot', 'Bytespider', 'GPTBot', 'ClaudeBot', 'CCBot', 'Amazonbot',
  'UptimeRobot', 'Pingdom', 'kube-probe', 'GoogleHC/', 'ELB-HealthChecker',
].map((name) => name.toLowerCase());

/** User agents are few and come again; but anybody can make up new ones. */
const REMEMBERED = { most: 1_000, longest: 512 };

/** Whether a User-Agent is of such a program. */
export const isAutomaticAgent = remember((userAgent): boolean => {
  const agent = userAgent.toLowerCase();
  return AUTOMATIC.some((name) => agent.includes(name));
}, REMEMBERED);
