"""Where answers come from: servers, local models, scripts."""
