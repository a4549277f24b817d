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
const MOST_REMEMBERED = 1_000;
const LONGEST_REMEMBERED = 512;
const remembered = new Map<string, boolean>();

/** Whether a User-Agent is of such a program. */
export function isAutomaticAgent(userAgent: string): boolean {
  const before = remembered.get(userAgent);
  if (before !== undefined) return before;
  const agent = userAgent.toLowerCase();
  const isAutomatic = AUTOMATIC.some((name) => agent.includes(name));
  if (remembered.size >= MOST_REMEMBERED) remembered.clear();
  if (userAgent.length <= LONGEST_REMEMBERED) remembered.set(userAgent, isAutomatic);
  return isAutomatic;
}
