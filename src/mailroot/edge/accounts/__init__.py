"""Sources of accounts: embedded, the machine's (PAM), a Windows domain's (ntlm_auth)."""
