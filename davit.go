// Package davit puts a daemon, the user's own executable, on machines that are reached over SSH:
// sent, verified, switched to, within a hard time limit and with every step told.
//
//	h, err := ssh.New("me@gpu-1", ssh.Options{})
//	receipt, err := davit.Install(ctx, h, davit.InstallOptions{Binary: "./worker"})
//
// What an operation tells, and to whom, is decided by ctx; see package narrate.
package davit
